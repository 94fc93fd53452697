import type { WayView } from "./WayView";
import type { StrategyView } from "./StrategyView";
import type { VaultView } from "./VaultView";

export type StorageView = { strategy: string, file: string | null, bytes: number | null, exists: boolean, state: VaultView, records: number | null, damaged: number | null, ways: Array<WayView>, to_rotate: number, strategies: Array<StrategyView>, };
