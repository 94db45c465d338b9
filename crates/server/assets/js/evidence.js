// Evidence that a person keeps: fetched with the session's proof, saved as a file, checked with `counterfoil audit verify --bundle`.

import { h } from "./dom.js";
import { post } from "./proof.js";

/** Fetches the bundle at that address and saves it under that name. */
export async function saveEvidence(url, name) {
  const bundle = await post(url);
  const blob = URL.createObjectURL(new Blob([`${JSON.stringify(bundle, null, 2)}\n`], { type: "application/json" }));
  h("a", { href: blob, download: `counterfoil-${name}.json` }).click();
  URL.revokeObjectURL(blob);
}
