
export type Protection = "keystore" | "passphrase" | "tpm" | "memory" | "plain" | "own";
