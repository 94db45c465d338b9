// Calls to our own server, each with a fresh proof that this browser holds the session's key.
//
// The key cannot be exported and is kept in IndexedDB. It is the browser's and outlives sessions, so that a device stays
// known; the session's handle (sid) is beside it because tabs share it.

const TRIES = 4;
const utf8 = new TextEncoder();
// The next nonce goes along to the tab's next page; it is no secret, and good once.
const NONCE = "counterfoil-nonce";
let line = Promise.resolve();

/** An RFC 9457 problem, by the last segment of its type. */
export class Problem extends Error {
  constructor(slug, body = {}, status = 0) {
    super(slug);
    this.slug = slug;
    this.body = body;
    this.status = status;
  }
}

/** POSTs JSON and returns the JSON reply. Calls go one after another: each reply carries the nonce for the next. */
export function post(path, body = {}) {
  const turn = line.then(() => send(path, body));
  line = turn.catch(() => {});
  return turn;
}

/** Whether this browser can hold a key for us at all. */
export const able = () => Boolean(globalThis.isSecureContext && globalThis.crypto?.subtle && globalThis.indexedDB);

async function send(path, body) {
  for (let tries = 0; tries < TRIES; tries++) {
    const sid = (await read("sid")) ?? (await begin());
    const reply = await once(path, body, { sid });
    if (reply.problem === "use-nonce") continue;
    if (reply.problem === "session-ended") {
      await begin(sid);
      continue;
    }
    if (reply.problem) throw new Problem(reply.problem, reply.json, reply.status);
    return reply.json;
  }
  throw new Problem("session-ended");
}

// One tab begins; the others wait and use what it got.
function begin(ended) {
  const work = async () => {
    const sid = await read("sid");
    if (sid && sid !== ended) return sid;
    for (let tries = 0; tries < TRIES; tries++) {
      const reply = await once("/session", {}, { first: true });
      if (reply.problem === "use-nonce") continue;
      if (reply.problem) throw new Problem(reply.problem, reply.json, reply.status);
      return read("sid");
    }
    throw new Problem("session-ended");
  };
  return navigator.locks ? navigator.locks.request("counterfoil-session", work) : work();
}

async function once(path, body, { sid, first }) {
  const bytes = utf8.encode(JSON.stringify(body));
  const proof = await prove(path, bytes, { sid, first });
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Language": document.documentElement.lang,
        "Counterfoil-Proof": proof,
      },
      body: bytes,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  } catch {
    throw new Problem("network");
  }
  const next = response.headers.get("Counterfoil-Nonce");
  if (next) sessionStorage.setItem(NONCE, next);
  const renewed = response.headers.get("Counterfoil-Session");
  if (renewed) await write("sid", renewed);
  const json = await response.json().catch(() => ({}));
  if (response.ok) return { json };
  const slug = /[^/:#]+$/.exec(json.type ?? "")?.[0];
  const known = slug && slug !== "blank" ? slug : ({ 404: "not-found", 413: "too-large", 503: "busy" }[response.status] ?? "internal");
  return { problem: known, json, status: response.status };
}

async function prove(path, bytes, { sid, first }) {
  const key = await deviceKey();
  const nonce = sessionStorage.getItem(NONCE);
  sessionStorage.removeItem(NONCE);
  const { kty, crv, x, y } = key.publicJwk;
  const header = { typ: "counterfoil-proof+jwt", alg: "ES256", ...(first && { jwk: { kty, crv, x, y } }) };
  const url = new URL(path, location.origin);
  const claims = {
    htm: "POST",
    htu: url.origin + url.pathname,
    bh: base64url(await crypto.subtle.digest("SHA-256", bytes)),
    iat: Math.floor(Date.now() / 1000),
    ...(nonce && { nonce }),
    ...(!first && { sid }),
  };
  const input = [header, claims].map((part) => base64url(utf8.encode(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, utf8.encode(input));
  return `${input}.${base64url(signature)}`;
}

async function deviceKey() {
  const kept = await read("key");
  if (kept) return kept;
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const publicJwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
  // `add` fails when another tab was quicker: the first key wins.
  await write("key", { privateKey: pair.privateKey, publicJwk }, "add").catch(() => {});
  return read("key");
}

export function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function fromBase64url(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

let opened;
const database = () => (opened ??= open());

// Chromium never answers about a database whose making broke off because the page was left, nor lists it: then the next is
// made. One that is listed holds our key, however slow it is.
const MADE_WITHIN = 3000;
const NAMES = ["counterfoil", "counterfoil-2", "counterfoil-3"];

async function open() {
  const there = ((await indexedDB.databases?.()) ?? [{ name: NAMES[0] }]).map((it) => it.name);
  const kept = NAMES.findLast((name) => there.includes(name));
  for (const name of kept ? [kept] : NAMES) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("device");
    const late = kept ? [] : [new Promise((done) => setTimeout(done, MADE_WITHIN))];
    const db = await Promise.race([settled(() => request), ...late]);
    if (db) return db;
  }
  throw new Problem("unable");
}

async function read(name) {
  const db = await database();
  return settled(() => db.transaction("device").objectStore("device").get(name));
}

async function write(name, value, how = "put") {
  const db = await database();
  return settled(() => db.transaction("device", "readwrite").objectStore("device")[how](value, name));
}

function settled(start) {
  return new Promise((resolve, reject) => {
    const request = start();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
