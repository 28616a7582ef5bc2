// The Authorize dialog of Swagger UI, as a plugin. It contains forms for the password and the client credentials flow,
// and Swagger UI's own forms for other security schemes. IDs and classes are those of Swagger UI.

import { decode, duration, timeOf, verify } from "./decoded.js";
import { hasPath, requestToken, urlOf } from "./docs.js";

const KEYS_PATH = "/.well-known/jwks.json";
const ME_PATH = "/users/me";
const TIME_CLAIMS = ["iat", "nbf", "exp", "auth_time"];

const isOwn = (url) => url.origin === location.origin;

const GRANT_TYPES = { password: "password", clientCredentials: "client_credentials" };

export function authorizationPopup({ React }) {
  const { createElement: h, useEffect, useLayoutEffect, useMemo, useRef, useState } = React;

  function Field({ label, id, ...attributes }) {
    const spelling = { autoCapitalize: "none", autoCorrect: "off", spellCheck: false };
    return h("div", { className: "field" }, h("label", { htmlFor: id }, label), h("input", { id, ...spelling, ...attributes }));
  }

  function Scopes({ scopes, flow, name }) {
    const boxes = [...scopes.entries()].map(([scope, description]) => {
      const id = `${scope}-${flow}-checkbox-${name}`;
      const box = h("input", { id, type: "checkbox", name: "scope", value: scope, defaultChecked: true });
      return h("label", { key: scope, htmlFor: id }, box, h("span", null, h("code", null, scope), " ", description));
    });
    return h("fieldset", { className: "scopes" }, h("legend", null, "Scopes"), boxes);
  }

  const PasswordFields = () => h(React.Fragment, null,
    h(Field, { label: "Username", id: "oauth_username", name: "username", autoComplete: "username", required: true }),
    h(Field, {
      label: "Password", id: "oauth_password", name: "password", type: "password", autoComplete: "current-password",
      required: true,
    }));

  function ClientFields({ flow }) {
    const isRequired = flow === "clientCredentials";
    return h(React.Fragment, null,
      h(Field, { label: "Client ID", id: `client_id_${flow}`, name: "clientId", autoComplete: "off", required: isRequired }),
      h(Field, {
        label: "Client secret", id: `client_secret_${flow}`, name: "clientSecret", type: "password", autoComplete: "off",
        required: isRequired,
      }),
      h("div", { className: "field" },
        h("label", { htmlFor: `password_type_${flow}` }, "Send the client secret in"),
        h("select", { id: `password_type_${flow}`, name: "passwordType" },
          h("option", { value: "basic" }, "the Authorization header"),
          h("option", { value: "request-body" }, "the request body"))));
  }

  const Buttons = ({ close, children }) => h("div", { className: "auth-btn-wrapper" }, children,
    h("button", { type: "button", className: "btn modal-btn auth btn-done", onClick: close }, "Close"));

  function Errors({ messages }) {
    const errors = messages.map((message) => h("div", { key: message, className: "errors" }, h("span", null, message)));
    return h("div", { role: "alert" }, errors);
  }

  function SignIn({ name, schema, system, close }) {
    const [error, setError] = useState("");
    const [isPending, setPending] = useState(false);
    const flow = schema.get("flow");
    const isPassword = flow === "password";
    const scopes = schema.get("scopes");

    async function submit(event) {
      event.preventDefault();
      const form = event.currentTarget;
      const fields = new FormData(form);
      const { username, password, clientId, clientSecret, passwordType } = Object.fromEntries(fields);
      const auth = { name, schema, username, clientId, clientSecret, passwordType, scopes: fields.getAll("scope") };
      const request = { grant_type: GRANT_TYPES[flow] };
      if (isPassword) Object.assign(request, { username, password });
      if (auth.scopes.length) request.scope = auth.scopes.join(" ");
      system.errActions.clear({ authId: name, type: "auth", source: "auth" });
      setError("");
      setPending(true);
      const result = await requestToken(auth, request, system);
      setPending(false);
      if (result.token) return system.authActions.authorizeOauth2WithPersistOption({ auth, token: result.token });
      setError(result.error);
      form.querySelector(isPassword ? "#oauth_password" : `#client_secret_${flow}`).select();
    }

    const logoutErrors = system.errSelectors.allErrors().filter((failure) => failure.get("authId") === name);
    const messages = [...logoutErrors.map((failure) => failure.get("message")), error].filter(Boolean);
    return h("form", { onSubmit: submit, "aria-busy": isPending },
      isPassword && h(PasswordFields),
      isPassword || h(ClientFields, { flow }),
      scopes?.size > 0 && h(Scopes, { scopes, flow, name }),
      isPassword && h("details", null, h("summary", null, "Advanced: client credentials"), h(ClientFields, { flow })),
      h(Errors, { messages }),
      h(Buttons, { close },
        h("button", { type: "submit", className: "btn modal-btn auth authorize", disabled: isPending }, "Authorize")));
  }

  function Countdown({ end }) {
    const [seconds, setSeconds] = useState(() => end - Date.now() / 1000);
    useEffect(() => {
      const timer = setInterval(() => setSeconds(end - Date.now() / 1000), 1000);
      return () => clearInterval(timer);
    }, [end]);
    return h("p", { className: "countdown" }, seconds > 0 ? `Expires in ${duration(seconds)}` : `Expired ${duration(seconds)} ago`);
  }

  function Values({ title, values }) {
    const lines = Object.entries(values).map(([name, value]) =>
      h("div", { key: name }, h("dt", null, name), h("dd", null,
        h("code", null, typeof value === "string" ? value : JSON.stringify(value)),
        TIME_CLAIMS.includes(name) && Number.isFinite(value) && h("span", null, timeOf(value)))));
    return h(React.Fragment, null, h("h5", null, title), h("dl", null, lines));
  }

  function Jwt({ decoded, system }) {
    const [verdict, setVerdict] = useState("Checking…");
    useEffect(() => {
      const keys = urlOf(KEYS_PATH, system);
      let isShown = true;
      verify(decoded, hasPath(KEYS_PATH, system) && isOwn(keys) && keys).then((result) => isShown && setVerdict(result));
      return () => { isShown = false; };
    }, [decoded]);
    return h(React.Fragment, null,
      h(Values, { title: "Header", values: decoded.header }),
      h(Values, { title: "Claims", values: decoded.claims }),
      Number.isFinite(decoded.claims.exp) && h(Countdown, { end: decoded.claims.exp }),
      h("h5", null, "Signature"), h("p", { className: "verdict" }, verdict));
  }

  function DecodedToken({ token, username, system }) {
    const [isOpen, setOpen] = useState(false);
    const decoded = useMemo(() => decode(token), [token]);
    const opaque = token === username
      ? "This token is not a JWT: it is the username itself."
      : "This token is not a JWT. Only the service that issued it can read it.";
    return h("details", { className: "decoded", onToggle: (event) => setOpen(event.currentTarget.open) },
      h("summary", null, "Decoded token"),
      isOpen && (decoded ? h(Jwt, { decoded, system }) : h("p", null, opaque)));
  }

  // Shows the user of the session cookie, which authenticates requests without a token.
  function CookieSession({ system }) {
    const [username, setUsername] = useState("");
    useEffect(() => {
      const url = urlOf(ME_PATH, system);
      if (!hasPath(ME_PATH, system) || !isOwn(url)) return;
      const me = fetch(url, { cache: "no-store" }).then((response) => (response.ok ? response.json() : {}));
      me.then(({ username }) => setUsername(username ?? ""), () => {});
    }, []);
    return h("div", { role: "status" }, username && h("p", { className: "cookie-session" },
      "Signed in as ", h("bdi", null, username), " with this browser’s session cookie. Requests without a token use it."));
  }

  function Authorized({ name, authorization, system, close }) {
    const scopes = authorization.getIn(["token", "scope"]) ?? authorization.get("scopes")?.join(" ");
    const facts = [
      ["Username", authorization.get("username")],
      ["Client ID", authorization.get("clientId")],
      ["Granted scopes", scopes],
    ];
    const token = authorization.getIn(["token", "access_token"]);
    const logOut = () => system.authActions.logoutWithPersistOption([name]);
    return h("div", null,
      h("div", { role: "status" }, h("h4", null, "Authorized")),
      h("dl", null, facts.filter(([, value]) => value).map(([fact, value]) =>
        h("div", { key: fact }, h("dt", null, fact), h("dd", null, h("code", null, value))))),
      h(DecodedToken, { token, username: authorization.get("username"), system }),
      h(Buttons, { close }, h("button", { type: "button", className: "btn modal-btn auth", onClick: logOut }, "Logout")));
  }

  function Flow({ name, schema, system, close, isFirst }) {
    const container = useRef();
    const authorization = system.authSelectors.authorized().get(name);
    const isAuthorized = Boolean(authorization);
    useEffect(() => {
      if (isFirst) container.current.querySelector(isAuthorized ? ".btn-done" : "input").focus();
    }, [isFirst, isAuthorized]);
    const description = schema.get("description");
    const Markdown = system.getComponent("Markdown", true);
    const content = isAuthorized
      ? h(Authorized, { name, authorization, system, close })
      : h(SignIn, { name, schema, system, close });
    return h("div", { className: "auth-container", ref: container },
      isAuthorized || (description && h(Markdown, { source: description })), content);
  }

  function AuthorizationPopup(system) {
    const dialog = useRef();
    // Runs before the effects of the forms, which move the focus.
    useLayoutEffect(() => {
      const element = dialog.current;
      element.showModal();
      return () => element.close(); // returns the focus to the button that opened the dialog
    }, []);
    const { authActions, getComponent } = system;
    const hide = () => authActions.showDefinitions(false);
    const close = () => dialog.current.close();
    const Auths = getComponent("auths");
    const CloseIcon = getComponent("CloseIcon");

    // Each definition maps a name to one flow or scheme. Cookie schemes need no form, because the browser sends cookies
    // automatically.
    const shown = [...system.authSelectors.shownDefinitions()].map((definition) => {
      const [name, schema] = definition.entrySeq().first();
      return { definition, name, schema, flow: schema.get("flow") };
    });
    const all = shown.filter(({ schema }) => schema.get("in") !== "cookie");
    const first = all.filter(({ flow }) => flow === "password");
    const others = all.filter(({ flow }) => flow !== "password");
    const show = ({ definition, name, schema, flow }, index) => h("section", { key: `${name} ${flow}` },
      flow in GRANT_TYPES
        ? h(Flow, { name, schema, system, close, isFirst: flow === "password" && index === 0 })
        : h(Auths, { ...system, definitions: definition }));
    return h("dialog", { ref: dialog, className: "dialog-ux", "aria-labelledby": "authorize-title", onClose: hide },
      h("div", { className: "modal-ux" },
        h("div", { className: "modal-ux-header" },
          h("h3", { id: "authorize-title" }, "Authorize"),
          h("button", { type: "button", className: "close-modal", "aria-label": "Close the dialog", onClick: close }, h(CloseIcon))),
        h("div", { className: "modal-ux-content" },
          shown.length > all.length && h(CookieSession, { system }),
          first.map(show),
          others.length > 0 && h("details", { className: "others", open: first.length === 0 },
            h("summary", null, "Other ways to authorize"), others.map(show)))));
  }

  return AuthorizationPopup;
}
