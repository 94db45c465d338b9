// WebAuthn in the browser: options in and answers out as JSON (WebAuthn L3 §5.1.8 to §5.1.11), with a fallback for browsers without it.

import { base64url, fromBase64url, Problem } from "./proof.js";

export const able = () => typeof PublicKeyCredential === "function";

/** Whether passkeys can be offered in the user name's autofill. */
export const autofills = async () => able() && Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.());

let pending;
// A browser runs one ceremony at a time: the autofill's waits in the background and yields.
function alone() {
  pending?.abort();
  pending = new AbortController();
  return pending.signal;
}

/** Proves with a passkey; the credential as JSON. `autofill` waits until one is chosen in the field. */
export async function prove(options, { autofill } = {}) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? request(options);
  const credential = await ceremony(() =>
    navigator.credentials.get({ publicKey, signal: alone(), ...(autofill && { mediation: "conditional" }) }));
  return json(credential);
}

/** Makes a passkey; the credential as JSON. */
export async function create(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? creation(options);
  return json(await ceremony(() => navigator.credentials.create({ publicKey, signal: alone() })));
}

// SecurityError: this page is not on the host that the passkey belongs to. Nobody honest sees it.
async function ceremony(start) {
  if (!able()) throw new Problem("passkey-unsupported");
  try {
    return await start();
  } catch (error) {
    const slug = { NotAllowedError: "passkey-cancelled", AbortError: "passkey-aborted", SecurityError: "relay-suspected", InvalidStateError: "already-enrolled" };
    throw new Problem(slug[error.name] ?? "passkey-failed");
  }
}

const described = (list) => list?.map((item) => ({ ...item, id: fromBase64url(item.id) }));

function request(options) {
  return { ...options, challenge: fromBase64url(options.challenge), allowCredentials: described(options.allowCredentials) };
}

function creation(options) {
  return {
    ...options,
    challenge: fromBase64url(options.challenge),
    user: { ...options.user, id: fromBase64url(options.user.id) },
    excludeCredentials: described(options.excludeCredentials),
  };
}

function json(credential) {
  if (credential.toJSON) return credential.toJSON();
  const { id, rawId, type, authenticatorAttachment, response } = credential;
  const parts = ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"];
  const answer = Object.fromEntries(parts.filter((part) => response[part]).map((part) => [part, base64url(response[part])]));
  if (response.getTransports) answer.transports = response.getTransports();
  return { id, rawId: base64url(rawId), type, authenticatorAttachment, clientExtensionResults: credential.getClientExtensionResults(), response: answer };
}
