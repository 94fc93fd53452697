import type { NeedView } from "./NeedView";
import type { ExposureView } from "./ExposureView";

export type StrategyView = { name: string, summary: string, needs: Array<NeedView>, plain: boolean, disk_thief: ExposureView, other_user: ExposureView, same_user: ExposureView, leaked_backup: ExposureView, depends_on: string, };
