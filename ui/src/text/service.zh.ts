// Simplified Chinese, of the form for a service.

import type { ServiceText } from "./service.en";

export const zh: ServiceText = {
  flow: "登录方式",
  flows: { browser: "通过浏览器", device: "使用代码", password: "使用密码" },
  deviceHelp: "适用于在其他设备的浏览器中登录，或此处没有浏览器的情况。",
  submit: "登录",
  submitBrowser: "在浏览器中继续",
  submitDevice: "显示代码",
  submitting: "正在登录…",
  issuer: "服务地址",
  issuerHelp: "即颁发者（issuer），例如 https://login.example.org",
  loginUrl: "登录地址",
  loginUrlHelp: "接收用户名和密码",
  refreshUrl: "刷新地址",
  refreshUrlHelp: "接收刷新令牌",
  clientId: "客户端 ID",
  clientIdHelp: "服务为本程序登记的标识",
  clientSecret: "客户端密钥",
  clientSecretHelp: "随账户加密保存",
  clientSecretRare: "仅在服务提供了密钥时填写。随账户加密保存。",
  register: "在此注册：",
  name: "账户名称",
  nameHelp: "您和您的程序用它来称呼此账户",
  more: "更多",
  scope: "权限范围",
  scopeHelp: "以空格分隔；不确定时请保持不变",
  invalid: {
    addressShape: "请输入完整地址，例如 https://login.example.org",
    addressHttps: "地址必须以 https:// 开头",
    addressParts: "请去掉 ? 或 # 及其后的内容。",
    nameTaken: "已有同名账户。",
    nameLong: "最多 64 个字符。",
    clientIdShape: "客户端 ID 不能含有空格。",
  },
};
