// Simplified Chinese, of signing in.

import type { SignInText } from "./sign-in.en";

export const zh: SignInText = {
  empty: {
    title: "让火苗一直亮着",
    body: "只需登录一次。Pilotlight 会在后台安静地续期，所需的信息加密保存在这台电脑上。",
  },

  title: "添加账户",
  to: (service) => `登录 ${service}`,
  how: "将打开浏览器",
  withPassword: "改用密码登录",
  known: "常用服务",
  presets: { "plain-json": "自建 JSON 服务" },
  other: "其他服务…",
  otherTitle: "其他服务",
  username: "用户名",
  password: "密码",
  passwordNote: "密码只向服务发送一次，不会保存。",
  submit: "登录",
  submitting: "正在登录…",

  pending: {
    title: "请在浏览器中完成",
    body: (service) => `已打开 ${service} 的页面。请在那里登录，然后回到这里。`,
    note: "没有看到页面？请取消后重试。",
    cancelling: "正在取消…",
    asking: (service) => `正在向 ${service} 请求代码…`,
    codeTitle: "在任意浏览器中输入此代码",
    openThere: "打开",
    copy: "复制代码",
    copied: "已复制",
    goodFor: (span) => `${span}内有效`,
    picture: "地址的二维码",
  },
};
