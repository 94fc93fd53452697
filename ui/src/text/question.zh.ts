// Simplified Chinese, of the question whether a program is lent a token.

import type { QuestionText } from "./question.en";

export const zh: QuestionText = {
  title: (program, account) => `要把“${account}”的令牌借给 ${program} 吗？`,
  what: "关于它还没有任何决定。有了访问令牌，在令牌过期之前，它可以在该服务上做此账户允许的事情。您的登录凭据始终留在这里。",
  program: "程序",
  parents: "启动者",
  untold: "系统没有说明。",
  account: "账户",
  process: "进程",
  answers: "您的回答",
  once: "仅此一次",
  run: "直到它退出",
  always: "始终允许",
  no: "暂不",
  never: "永不允许",
  holds: "“直到它退出”、“始终允许”和“永不允许”对所有账户有效。“始终允许”和“永不允许”针对这个文件，无论它被用来运行什么。",
  time: "一分钟内不回答，它就得不到令牌。",
  more: (others) => `还有 ${others} 个程序在等待。`,
};
