// ReDoc without anything from other origins: its fonts are those of the system.

const fonts = 'system-ui, sans-serif';
const mono = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

Redoc.init("openapi.json", {
  hideDownloadButtons: true, // the header has the link
  theme: {
    typography: {
      fontFamily: fonts,
      headings: { fontFamily: fonts, fontWeight: "600" },
      code: { fontFamily: mono, color: "inherit" },
      links: { color: "#0b5a44" },
    },
    colors: { primary: { main: "#0b5a44" } },
  },
}, document.getElementById("redoc"));
