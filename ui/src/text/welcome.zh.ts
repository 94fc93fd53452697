// Simplified Chinese, of the first run.

import type { WelcomeText } from "./welcome.en";

export const zh: WelcomeText = {
  step: (n, all) => `第 ${n} 步，共 ${all} 步`,
  next: "下一步",
  skip: "跳过",

  whatTitle: "只需登录一次",
  what: "Pilotlight 让您在各项服务中保持登录。它在到期之前安静地续期，不受休眠、网络不佳和重启的影响，并把程序所需的凭据短暂地借给它们。",
  whatNot: "登录时会打开您自己的浏览器。密码只在您与服务之间。",

  howTitle: "登录信息如何保存",
  how: {
    keystore: (keystore) => `每个登录都加密保存在这台电脑的文件中，密钥存于${keystore}：拿走硬盘的人什么也得不到。`,
    passphrase: () => "每个登录都加密保存在这台电脑的文件中，由您选择的口令保护。",
    tpm: () => "每个登录都加密保存在这台电脑的文件中，只有它的安全芯片能打开密钥。",
    memory: () => "不写入任何内容：Pilotlight 关闭后您将退出登录。",
    plain: () => "所有令牌都在可读的文件中：得到它的人可以使用您的账户。",
    own: () => "由应用程序以自己的方式保存。",
  },
  never: "保持登录的钥匙从不离开 Pilotlight：任何程序和网页都拿不到它。",
  other: "其他方式…",

  addTitle: "添加第一个账户",
};
