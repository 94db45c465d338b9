// Protects an API with a stock OAuth library (oauth4webapi) and two calls to Counterfoil: evaluation and redeem.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import * as oauth from 'oauth4webapi';

const setting = (name) => process.env[name] ?? (() => { throw new Error(`${name} is not set`); })();
const issuer = setting('COUNTERFOIL_ISSUER');
const audience = setting('COUNTERFOIL_AUDIENCE');
const apiKey = setting('COUNTERFOIL_API_KEY');
const port = Number(process.env.PORT ?? 8283);
// What clients call and what their DPoP proofs name, whatever a proxy in between makes of it.
const externalUrl = process.env.EXTERNAL_URL ?? `http://localhost:${port}`;
const allowHttp = { [oauth.allowInsecureRequests]: issuer.startsWith('http://') };

const as = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...allowHttp })
  .then((reply) => oauth.processDiscoveryResponse(new URL(issuer), reply));

// RFC 8785: JavaScript's own JSON text with the members sorted.
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
};
const digest = (value) => createHash('sha256').update(canonical(value)).digest('base64url');

const ask = (path, body) => fetch(issuer + path, {
  method: 'POST',
  headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

// DPoP's replay memory (RFC 9449 §11.1): a proof is accepted for 60 s, so it is remembered for longer.
const seen = new Map();
function isReplay(proof) {
  const now = Date.now();
  for (const [jti, until] of seen) if (until < now) seen.delete(jti);
  const { jti, iat } = JSON.parse(Buffer.from(proof.split('.')[1], 'base64url'));
  if (seen.has(jti) || Math.abs(now / 1000 - iat) > 60) return true;
  seen.set(jti, now + 180_000);
  return false;
}

class Refusal extends Error {
  constructor(status, body, challenge) { super(body.type); Object.assign(this, { status, body, challenge }); }
}

async function identify(request) {
  try {
    const claims = await oauth.validateJwtAccessToken(as, request, audience,
      { requireDPoP: true, signingAlgorithms: ['ES256'], ...allowHttp });
    if (isReplay(request.headers.get('dpop'))) throw new Error('the proof was used before');
    return claims;
  } catch {
    throw new Refusal(401, { type: 'invalid-token' }, 'DPoP error="invalid_token", algs="ES256"');
  }
}

const presented = (request) => ({
  access_token: request.headers.get('authorization').split(/ +/)[1],
  dpop: { proof: request.headers.get('dpop'), method: request.method, uri: request.url },
});

// Throws unless policy permits. With a transaction it lodges it, and the refusal is the challenge of RFC 9470.
async function evaluate(request, claims, action, resource, transaction) {
  const context = { ...presented(request), ...(transaction && { authorization_details: [transaction] }) };
  const subject = { type: 'user', id: claims.sub };
  const reply = await ask('/access/v1/evaluation', { subject, action: { name: action }, resource, context });
  if (reply.status !== 200) throw new Refusal(503, { type: 'unavailable' });
  const { decision, context: answer = {} } = await reply.json();
  if (decision === true) return;
  if (answer.outcome !== 'step_up') throw new Refusal(403, { type: 'denied', reason: answer.reason_user });
  const { decision_id, acr_values, max_age } = answer;
  throw new Refusal(401, { type: 'insufficient-user-authentication', decision_id, authorization_details: [transaction] },
    `DPoP error="insufficient_user_authentication", acr_values="${acr_values}", max_age=${max_age}, decision_id="${decision_id}"`);
}

// Spends the token's transaction if it is exactly this one, runs `execute`, and reports how it went.
async function once(request, transaction, execute) {
  const redemption_id = randomUUID();
  const question = { ...presented(request), txn_digest: digest(transaction), redemption_id };
  let reply;
  for (let attempt = 0; attempt < 3 && !(reply?.status < 500); attempt += 1) {
    // A lost reply is asked for again with the same id: the issuer answers what it answered.
    reply = await ask('/v1/redeem', question).catch(() => undefined);
  }
  if (!reply) throw new Refusal(503, { type: 'unavailable' });
  if (reply.status !== 200) throw new Refusal(reply.status, await reply.json());
  let outcome = 'failed';
  try {
    const result = await execute(transaction);
    outcome = 'executed';
    return result;
  } finally {
    await ask(`/v1/redeem/${redemption_id}`, { outcome }).catch(() => undefined);
  }
}

async function handle(request) {
  const [, id, part] = new URL(request.url).pathname.match(/^\/accounts\/([^/]+)(\/payout)?$/) ?? [];
  if (!id) throw new Refusal(404, { type: 'not-found' });
  const claims = await identify(request);
  const resource = { type: 'account', id };
  if (request.method === 'GET' && !part && !claims.txn) {
    await evaluate(request, claims, 'balance.read', resource);
    return { balance: '1200.00' };
  }
  if (request.method === 'PUT' && part) {
    const { creditor_name, iban, amount } = JSON.parse(await request.text());
    const transaction = { type: 'payout_change', resource, creditor_name, iban, amount };
    if (claims.txn) return once(request, transaction, async ({ iban }) => ({ paid_to: iban }));
    await evaluate(request, claims, 'payout.change', resource, transaction);
    throw new Refusal(500, { type: 'not-confirmed' });
  }
  throw new Refusal(405, { type: 'not-allowed' });
}

createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, headers, url } = incoming;
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  const send = (status, value, challenge) => {
    const text = JSON.stringify(value);
    const about = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    outgoing.writeHead(status, { ...about, ...(challenge && { 'www-authenticate': challenge }) }).end(text);
  };
  try {
    send(200, await handle(new Request(externalUrl + url.split('?')[0], { method, headers, body })));
  } catch (error) {
    if (error instanceof Refusal) send(error.status, error.body, error.challenge);
    else send(400, { type: 'invalid-request' });
  }
}).listen(port, '127.0.0.1', () => console.log(`ready on ${externalUrl}`));
