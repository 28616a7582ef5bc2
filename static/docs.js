// Swagger UI with two plugins.

import { authorizeDialog } from "./authorize.js";
import { tokenManager } from "./tokens.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const followColorScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColorScheme);
followColorScheme();

// persistAuthorization stays off: it would write the token into localStorage.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [tokenManager, authorizeDialog],
  layout: "BaseLayout",
  validatorUrl: null,
});
