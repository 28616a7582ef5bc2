// ReDoc, configured to load nothing from other origins: it uses system fonts.

const fonts = 'system-ui, sans-serif';
const mono = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

// ReDoc's headings for operations skip levels, from h2 to h5.
const container = document.getElementById("redoc");
new MutationObserver(() => {
  for (const heading of container.querySelectorAll("h5:not([aria-level])")) heading.setAttribute("aria-level", "3");
}).observe(container, { childList: true, subtree: true });

Redoc.init("openapi.json", {
  hideDownloadButtons: true, // the header has the link
  theme: {
    typography: {
      fontFamily: fonts,
      headings: { fontFamily: fonts, fontWeight: "600" },
      code: { fontFamily: mono, color: "inherit" },
      links: { color: "#0b5a44" },
    },
    colors: { primary: { main: "#0b5a44" }, error: { main: "#b01512" }, warning: { main: "#7a4a00" } },
  },
}, container);
