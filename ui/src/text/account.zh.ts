// Simplified Chinese, of an account's page.

import type { AccountText } from "./account.en";

export const zh: AccountText = {
  explained: {
    refreshing: "正在续期。",
    unknown: "上一次续期的结果未知，正在用同一个密钥再次询问。",
    once: "已登录。服务没有给出可用于续期的令牌，因此登录只能维持到访问令牌到期。",
    fresh: "已登录。当前的令牌来自这次登录，到期之前会自动续期。",
    refreshed: "已登录。令牌已按时续期，下一次续期没有任何障碍。",
    waiting: "仍保持登录，正在等待续期。",
  },

  headline: {
    until: (day) => `至少保持登录至 ${day}`,
    overdue: "已登录，即将询问服务",
    open: "已登录，未知何时结束",
    ended: "已被服务退出登录",
  },
  why: "原因",
  reasons: {
    "nothing-to-refresh-with": () => "服务没有提供用于续期的令牌，因此登录只持续到访问令牌到期。",
    told: () => "服务在发放当前令牌时如此告知。",
    "moves-on": () => "到目前为止，每次续期都会推迟这一时间：只要 Pilotlight 不时运行，登录就会持续。",
    "stands-still": () => "续期不会推迟这一时间。请在此之前重新登录，期间不会中断。",
    documented: (span) => `服务的文档说明：${span}未使用后登录失效。每次续期都算作使用。`,
    "nothing-told": () => "服务没有说明登录能持续多久。只要允许，Pilotlight 就会一直保持登录。",
    "not-offline": () => "服务没有授予持久访问权限，因此登录可能随您在该服务的会话一起结束。",
    "ended-before": (span) => `此账户较早的一次登录在 ${span}后被服务结束。`,
    "has-lasted": (span) => `此次登录已持续 ${span}。`,
  },

  days: (n) => `${n} 天`,

  facts: "令牌与存储",
  nextRefresh: "下次续期",
  none: "未计划",
  client: "客户端 ID",
  scope: "权限范围",
  grantedAll: "由服务决定",
  kept: "保存方式",
  strategy: "存储",

  programs: "程序",
  programsNone: "没有程序借用过此账户的令牌。",
  lent: "借出",
  refused: "拒绝",

  devices: "其他设备",
  devicesLoading: "正在询问服务…",
  devicesNone: "您没有在其他地方登录此服务。",
  devicesUnsupported: "此服务不提供您的其他登录位置。",
  devicesRefused: "此次登录无权查看您的设备。请重新登录并请求权限范围“devices”，即可在此查看。借用其令牌的程序届时也可查看。",
  devicesAsk: "重新登录并请求",
  thisDevice: "此次登录",
  browser: "浏览器",
  app: "应用",
  on: (program, system) => `${system} 上的 ${program}`,
  since: "登录于",
  used: "上次使用",
  end: "在那里退出",
  endOf: (device) => `在那里退出：${device}`,
  endOthers: (n) => `退出其他全部 ${n} 台设备`,
  endOthersQuestion: (n) => `要退出其他 ${n} 台设备吗？`,
  ending: "正在退出…",
  endedMany: (n) => `已退出 ${n} 台设备。`,

  history: "历史",
  historyNone: "日志中没有此账户的记录。",
  more: "显示更多",

  leave: {
    title: "退出范围",
    service: "此次登录",
    serviceHelp: "在服务处结束，并从这台电脑移除。您的其他设备保持登录。",
    all: "我的所有设备",
    allHelp: "结束您在此服务的所有登录，包括浏览器中的登录。",
    here: "仅这台电脑，不通知服务",
    hereHelp: "其令牌在服务处仍然有效，直至过期。适用于服务已不存在的情况。",
  },
};
