
export type StorageRequest = { strategy: string, passphrase: string | null, consent: string | null, };
