// Written by `cargo xtask bindings`.
export type { AttackView } from "./AttackView.js";
export type { AttackerView } from "./AttackerView.js";
export type { LabCell } from "./LabCell.js";
export type { LabCost } from "./LabCost.js";
export type { LabEnd } from "./LabEnd.js";
export type { LabEvent } from "./LabEvent.js";
export type { LabRequest } from "./LabRequest.js";
export type { LabTimes } from "./LabTimes.js";
export type { LabView } from "./LabView.js";
export type { QuestionView } from "./QuestionView.js";
export type { VerdictView } from "./VerdictView.js";
