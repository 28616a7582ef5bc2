// Swagger UI with plugins.

import { authorizeDialog } from "./authorize.js";
import { tokenManager } from "./tokens.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const followColorScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColorScheme);
followColorScheme();

// Swagger UI puts the link of an operation into a button, where no link may be. Opening an operation still changes the URL.
const withoutNestedLinks = ({ React }) => ({
  components: { DeepLink: ({ text }) => React.createElement("span", null, text) },
});

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
