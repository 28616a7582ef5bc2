// Swagger UI with plugins. The service sends tokens.js and this file as one module, docs.js.

const dark = matchMedia("(prefers-color-scheme: dark)");
const followColorScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColorScheme);
followColorScheme();

// The dialog is loaded when it is opened for the first time.
const authorizeDialog = ({ React }) => {
  let loading;
  function AuthorizationPopup(system) {
    const [Popup, setPopup] = React.useState(null);
    React.useEffect(() => {
      loading ??= import("./authorize.js").then((module) => module.authorizationPopup({ React }));
      loading.then((component) => setPopup(() => component)).catch(() => {
        loading = undefined;
        system.authActions.showDefinitions(false);
      });
    }, []);
    return Popup && React.createElement(Popup, system);
  }
  return { components: { authorizationPopup: AuthorizationPopup } };
};

// Swagger UI puts the link of an operation into a button, which HTML does not allow. Opening an operation still changes
// the URL.
const withoutNestedLinks = ({ React }) => ({
  components: { DeepLink: ({ text }) => React.createElement("span", null, text) },
});

// Swagger UI's headings skip a level, from h1 to h3.
const container = document.getElementById("swagger-ui");
new MutationObserver(() => {
  for (const heading of container.querySelectorAll(":is(h3, h4, h5, h6):not([aria-level])")) {
    heading.setAttribute("aria-level", heading.localName[1] - 1);
  }
}).observe(container, { childList: true, subtree: true });

// persistAuthorization stays off: it would write the token into localStorage.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [tokenManager, authorizeDialog, withoutNestedLinks],
  layout: "BaseLayout",
  validatorUrl: null,
});
