// Simplified Chinese, of the settings.

import type { SettingsText } from "./settings.en";

export const zh: SettingsText = {
  title: "设置",
  faults: "设置文件中有无法理解的内容，视为未设置：",

  storage: "存储",
  storageBody: "登录信息保存在哪里，以及如何防止他人获取。",
  change: "更改…",

  look: "外观",
  language: "语言",
  languages: { system: "跟随系统", en: "English", zh: "中文" },
  theme: "颜色",
  themes: { system: "跟随系统", light: "浅色", dark: "深色" },

  background: "后台运行",
  tray: "关闭窗口后留在系统托盘",
  trayHelp: "否则，窗口关闭期间不会续期。",
  autostart: "随桌面启动",
  autostartHelp: "只启动托盘中的小程序，不打开此窗口。",

  refresh: "续期",
  leeway: "在到期前多少秒续期",
  leewayHelp: "留空：令牌有效期的四分之一，最多五分钟。",
  leewayFault: "10 到 3600 秒，或留空。",

  network: "网络",
  proxy: "代理",
  proxyHelp: "留空：按系统设置。“none”：直接连接。",
  proxyFault: "例如 http://localhost:3128，不含密码；或“none”；或留空。",
  caFile: "额外信任的证书",
  caFileHelp: "PEM 文件的路径，用于您自己的服务。系统证书仍受信任。",
  caFileFault: "没有这个文件，或其中没有 PEM 格式的证书。",

  save: "保存",
  saved: "已保存。",

  report: "报告问题",
  reportBody: "将活动记录、检查结果和这些设置写入下载文件夹中的一个文件。其中有账户、人员和服务的名称，没有令牌、密码或密钥。",
  write: "写入报告",
  writing: "正在写入…",
  written: (file, entries) => `${entries} 条活动记录和检查结果已写入 ${file}`,

  developers: "面向开发者",
  developer: "开发者模式",
  developerHelp: "在“存储”中显示存储实验室，并按原样显示活动记录。",
  token: "手动获取访问令牌",
  tokenBody: "此窗口不能持有令牌。在终端中，下面的命令会打印一个。看到它的人在其失效前可以使用该账户：请勿粘贴到他人可见的地方。",
};
