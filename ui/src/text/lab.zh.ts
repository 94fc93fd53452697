// Simplified Chinese, of the Storage Lab.

import type { LabText } from "./lab.en";

export const zh: LabText = {
  title: "存储实验室",
  body: "在这台电脑上，用实验室自己的令牌和一次性文件夹，对每种保存方式实施攻击。不会触及您的登录信息。",
  back: "返回存储",
  which: "攻击",
  quick: "快速的",
  all: "全部",
  start: "开始攻击",
  stop: "停止",
  stopping: "正在停止…",
  progress: (done, all) => `已完成 ${done} 格，共 ${all} 格`,
  now: (strategy, attack) => `${strategy}：${attack}`,
  ended: (faults, stopped) =>
    (stopped ? "已提前停止。" : "已完成。") + (faults === 0 ? "没有任何一项意外失守。" : `有 ${faults} 格意外失守。`),
  matrix: "各方式抵御了哪些攻击",
  attack: "攻击",
  waiting: "尚未攻击",
  verdict: {
    withstood: "抵御成功",
    fell: "失守",
    "fell-as-expected": "失守，与其说明一致",
    "not-applicable": "无可攻击",
    inconclusive: "无法尝试",
  },
  cell: {
    choose: "选择一格，查看做了什么、发现了什么。",
    how: "方法",
    right: "应有的结果",
    done: "做了什么",
    found: "发现了什么",
    why: "原因",
    took: "用时",
  },
  advice: {
    title: "我该用哪一种？",
    question: { against: "要防范谁？", keystore: "有系统密钥库吗？", tokens: "有多少令牌？" },
    against: {
      thief: "窃取磁盘或备份的人",
      users: "这台电脑的其他用户",
      programs: "同一用户的其他程序",
      nobody: "不防范：我要查看存储的内容",
    },
    keystore: { yes: "有，就在这台电脑上", no: "没有", hosts: "多台电脑共用令牌" },
    tokens: { few: "至多几百个", many: "成千上万" },
    reason: {
      debugging: "能读取该文件的人都能看到内容，包括您自己。仅供开发使用。",
      hosts: "记录在每台主机上加密，经由 Redis 共用；密钥来自口令。",
      programs: "密钥库会应答您的每个程序。而您输入的口令，在输入之前无人知晓。",
      manyPrograms: "其他程序也能使用 TPM，但只限于这台电脑：复制走的内容在别处毫无用处。",
      noKeystore: "没有密钥库，密钥只能来自您：每次启动时输入口令。",
      usual: "每个令牌单独加密，密钥存于密钥库，放回旧副本会被察觉。",
    },
    evidence: (withstood, expected, fell) => `本次运行：抵御 ${withstood} 项，与说明一致地失守 ${expected} 项，意外失守 ${fell} 项。`,
    noEvidence: "在此实施攻击即可看到依据。",
  },
};
