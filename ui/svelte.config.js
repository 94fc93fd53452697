export default {
  compilerOptions: {
    runes: true,
    discloseVersion: false,
    // Shorter than the default, and free of file names.
    cssHash: ({ hash, css }) => `p${hash(css)}`,
  },
};
