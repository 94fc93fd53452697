// The sign-in form while somebody types into it.

import type { Form } from "./form";

export class Fields implements Form {
  issuer = $state.raw("");
  loginUrl = $state.raw("");
  refreshUrl = $state.raw("");
  clientId = $state.raw("");
  clientSecret = $state.raw("");
  name = $state.raw("");
  scope = $state.raw("");
  flow: Form["flow"] = $state.raw("browser");
  byScheme = $state.raw(false);
  username = $state.raw("");
  password = $state.raw("");

  constructor(initial: Form) {
    Object.assign(this, initial);
  }
}
