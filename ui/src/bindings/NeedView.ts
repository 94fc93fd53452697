
export type NeedView = "keystore" | "passphrase" | "tpm" | "redis";
