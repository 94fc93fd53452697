// Simplified Chinese, of the journal.

import type { ActivityText } from "./activity.en";

export const zh: ActivityText = {
  title: "活动",
  filter: "账户",
  all: "所有账户",
  empty: "还没有任何活动。",
  emptyBody: "登录、续期及其原因会显示在这里。令牌和密码绝不会出现。",
  more: "显示更多",
  kinds: {
    "signed-in": "已登录",
    refreshed: "已续期",
    resumed: "继续上次的尝试",
    "refresh-failed": "续期未成功",
    "save-failed": "未能保存",
    ended: "登录已结束",
    "signed-out": "已退出登录",
    "started-over": "已重新开始",
    moved: "存储方式已更改",
    "keys-changed": "密钥已更改",
    lent: "已借给程序",
    refused: "已拒绝程序",
    "devices-ended": "已在别处退出",
  },
};
