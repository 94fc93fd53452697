
export type ExposureView = "protected" | "depends" | "exposed";
