//! Every bound of the product, once, with the attack that it stops and how the bounds relate.

/// A request body. Larger ones are refused unread (413).
pub const BODY_BYTES: usize = 64 * 1024;
/// A body that takes longer to arrive holds a connection and memory for nothing (slow requests).
pub const BODY_SECONDS: u64 = 15;
/// The head of a request: a token, proofs and cookies.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Header fields of one request.
pub const HEADERS: usize = 64;
/// A head that takes longer to arrive, and a connection on which nothing is asked, is closed (slow requests).
pub const HEAD_SECONDS: u64 = 30;
/// Connections at once; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 4_096;
/// Connections at once of one address (of IPv6: one /64), so that nobody alone takes all there are. Proxies that are trusted
/// have no such limit, and an operator may set another.
pub const CONNECTIONS_PER_NETWORK: usize = 512;
/// A peer that takes nothing of its answer for so long is cut off: it would hold a connection for ever (slow reads).
pub const WRITE_SECONDS: u64 = 30;
/// Nesting of JSON that we accept: deeper documents only exhaust a stack.
pub const JSON_DEPTH: usize = 32;
/// Any single name, identifier or URI from outside.
pub const NAME_BYTES: usize = 256;
/// A URI (redirect, audience, `htu`).
pub const URI_BYTES: usize = 2_048;

/// Parameters of one form: each name is compared with those before it.
pub const FORM_PARAMETERS: usize = 40;
/// `state` and `nonce` of a client; FAPI 2.0 §5.3.2.2 wants nonces of 64 characters to work.
pub const CLIENT_STATE_BYTES: usize = 512;
/// An audience: it stands in every token.
pub const AUDIENCE_BYTES: usize = 512;
/// The one object of `authorization_details`, as JSON: it must fit into the token that carries it.
pub const AUTHORIZATION_DETAILS_BYTES: usize = 3 * 1024;
/// The scopes of one client, together.
pub const SCOPES_BYTES: usize = 1_024;
/// An access token: one request header carries it, and common proxies stop at 8 KiB.
pub const ACCESS_TOKEN_BYTES: usize = 8 * 1024;
/// Any other signed token (DPoP proof, client assertion, ID token, session proof): hashing and parsing cost the verifier.
pub const JWT_BYTES: usize = 4 * 1024;
/// The header part of a signed token; an RSA key of 4096 bit in it takes about 1,100 bytes.
pub const JWT_HEADER_BYTES: usize = 2 * 1024;
/// Keys of one party.
pub const KEYS_PER_SET: usize = 20;
/// Entries of any list in a client's registration.
pub const CLIENT_LIST: usize = 50;

/// A code of the authorization endpoint: FAPI 2.0 §5.3.2 wants at most 60 s.
pub const CODE_SECONDS: i64 = 60;
/// A pushed request waits this long (RFC 9126 §2.2; FAPI 2.0 wants less than 600).
pub const PUSHED_REQUEST_SECONDS: i64 = 300;
/// A challenge, from the moment it is shown (the pack may shorten it).
pub const CHALLENGE_SECONDS: i64 = 300;
/// An access token without a transaction.
pub const ACCESS_TOKEN_SECONDS: i64 = 300;
/// An access token that carries a transaction.
pub const TRANSACTION_TOKEN_SECONDS: i64 = 60;
/// A DPoP proof is accepted this long after `iat`.
pub const DPOP_PROOF_SECONDS: i64 = 60;
/// Clocks may differ by this much in either direction (FAPI 2.0: 0–10 s in the future is accepted).
pub const CLOCK_LEEWAY_SECONDS: i64 = 10;
/// How long a used `jti` or nonce is remembered.
pub const REPLAY_MEMORY_SECONDS: i64 = 120;
/// A server nonce (DPoP or session proof) is good for this long.
pub const NONCE_SECONDS: i64 = 60;
/// A client assertion may live this long.
pub const CLIENT_ASSERTION_SECONDS: i64 = 60;
/// A link that invites: long enough to hand it over, short enough that one left in a mailbox is worth nothing.
pub const INVITATION_SECONDS: i64 = 24 * 3600;
/// Wrong secrets of links from one address within [`INVITATION_GUESS_SECONDS`]. 256 random bits are not guessed; this keeps
/// whoever tries from writing the log full.
pub const INVITATION_GUESSES: u32 = 20;
/// How long wrong secrets are counted.
pub const INVITATION_GUESS_SECONDS: i64 = 900;
/// Addresses whose wrong secrets are counted at once.
pub const INVITATION_GUESSERS: u64 = 10_000;
/// An API key without another end: long enough that nobody is woken by it, short enough that a forgotten one dies.
pub const API_KEY_DAYS: i64 = 90;
/// … and the longest.
pub const API_KEY_DAYS_MAX: i64 = 366;
/// Rows that one command of the host's operator lists.
pub const LISTED: usize = 1_000;
/// Mail addresses of one person: each is told of everything.
pub const MAIL_PER_SUBJECT: usize = 5;
/// Entries of each list of a registry file.
pub const REGISTRY_ENTRIES: usize = 100_000;
/// A decision that asks for more proof can be answered this long.
pub const DECISION_SECONDS: i64 = 600;

/// A TOTP step (RFC 6238 §5.2).
pub const TOTP_STEP_SECONDS: i64 = 30;
/// A TOTP secret: RFC 4226 §4 R6 recommends 160 bits.
pub const TOTP_SECRET_BYTES: usize = 20;
/// Consecutive failures that disable an authenticator (SP 800-63B-4 §3.2.2 allows at most 100). Fewer would let anybody who
/// knows a name switch its owner's password off; guessing is slowed by the waits instead.
pub const CONSECUTIVE_FAILURES: u32 = 100;
/// Guesses that nobody has to wait for: what an honest person needs to find the right password.
pub const FREE_GUESSES: u32 = 5;
/// Times that a guess looks again because another one came in between; by then it has found out that it must wait.
pub const GUESS_ROUNDS: u32 = 4 * FREE_GUESSES;
/// The first wait after those; each further guess doubles it.
pub const GUESS_WAIT_SECONDS: i64 = 30;
/// The longest wait, so that somebody else's guesses do not keep the owner's new browser out for days.
pub const GUESS_WAIT_SECONDS_MAX: i64 = 3600;
/// Guesses of this long ago make nobody wait any more.
pub const GUESS_WINDOW_SECONDS: i64 = 24 * 3600;
/// Guesses at an authenticator are counted in their series for this long.
pub const GUESS_MEMORY_SECONDS: i64 = 365 * 24 * 3600;
/// Sessions stay readable this long after their end, for whoever looks into what happened.
pub const SESSION_RECORD_SECONDS: i64 = 30 * 24 * 3600;
/// Wrong answers that void a challenge: fewer than disable an authenticator, so that no single challenge can do that.
pub const CHALLENGE_FAILURES: u32 = 5;
/// Passwords hashed at once: each takes 19 MiB and a core for tens of milliseconds.
pub const HASHES_AT_ONCE: usize = 2;
/// Passwords that wait to be hashed: a few seconds' worth. More are told to come back (503).
pub const HASHES_WAITING: usize = 64;
/// Of both, those that one network may have: nobody keeps all others from signing in.
pub const HASHES_PER_NETWORK: usize = 16;
/// A password: long enough for a sentence, short enough to hash.
pub const PASSWORD_BYTES: usize = 256;
/// The shortest password (SP 800-63B-4 §3.1.1.2, as one of two factors).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// A WebAuthn credential id (WebAuthn L3 §7.1 step 25).
pub const CREDENTIAL_ID_BYTES: usize = 1_023;
/// The client data of a WebAuthn ceremony: a challenge, an origin and little more.
pub const CLIENT_DATA_BYTES: usize = 4_096;
/// Any other single part of a WebAuthn answer; the largest is an attestation with its certificates.
pub const WEBAUTHN_PART_BYTES: usize = 32 * 1024;
/// A public key in COSE form; RSA with 4096 bits takes 530.
pub const COSE_KEY_BYTES: usize = 1_024;
/// Authenticators of one person that are, or could again be, in use.
pub const AUTHENTICATORS_PER_SUBJECT: usize = 20;
/// Passkeys that codes alone bind within the time below: who may add and disown must not do it without end.
pub const ENROLMENTS_PER_WINDOW: usize = 5;
/// See above.
pub const ENROLMENT_WINDOW_SECONDS: i64 = 24 * 3600;

/// A session of ours ends at the latest then (SP 800-63B-4 §2.2.3: AAL2 at most 24 h).
pub const SESSION_SECONDS: i64 = 12 * 3600;
/// … and after this long without a request.
pub const SESSION_IDLE_SECONDS: i64 = 3600;
/// Sessions that begin from one address (of IPv6: one /64) within a minute, on one node: each is a row and an event. A whole
/// office behind one address on a Monday morning; an operator may set another number.
pub const SESSIONS_PER_NETWORK: u32 = 240;
/// … and the time in which they are counted.
pub const SESSIONS_WINDOW_SECONDS: i64 = 60;
/// Addresses whose new sessions are counted at once.
pub const SESSIONS_NETWORKS: u64 = 100_000;
/// Challenges of one session that are open at once: each is a row that lives for minutes. Not of one person: whoever knows
/// their password could keep them from confirming anything.
pub const CHALLENGES_PER_SESSION: i64 = 50;
/// A session with a key nobody knows, born of a proof that can be relayed.
pub const NEW_KEY_SESSION_SECONDS: i64 = 3600;
/// A device stays known this long after its last phishing-resistant proof.
pub const KNOWN_DEVICE_SECONDS: i64 = 90 * 24 * 3600;
/// After a recovery nothing high happens for this long.
pub const RECOVERY_REST_SECONDS: i64 = 72 * 3600;
/// A passkey that codes have bound rests this long before it may count for more.
pub const CEILING_REST_SECONDS: i64 = 72 * 3600;
/// The first wait before a message is tried again; each further one doubles it.
pub const MAIL_WAIT_SECONDS: i64 = 30;
/// The longest wait.
pub const MAIL_WAIT_SECONDS_MAX: i64 = 3600;
/// A message that could not be delivered by then is given up (RFC 5321 §4.5.4.1: four to five days, of what nobody waits for).
pub const MAIL_GIVE_UP_SECONDS: i64 = 72 * 3600;
/// One step of a talk with a mail server.
pub const MAIL_STEP_SECONDS: u64 = 20;
/// A whole talk with a mail server.
pub const MAIL_SEND_SECONDS: u64 = 60;
/// A message that a node has claimed is another's after this.
pub const MAIL_LEASE_SECONDS: i64 = 180;
/// "Never" for ages that policies compare.
pub const NEVER_SECONDS: i64 = 9_999_999_999;

/// Units of work in one commit of the writer; a power of two, because statements are cached by their size.
pub const BATCH_UNITS: usize = 256;
/// Units that wait for the writer before callers are told to come back (503).
pub const WRITER_QUEUE: usize = 8_192;
/// Bytes of one log leaf: C2SP tiles carry a 16-bit length.
pub const LEAF_BYTES: usize = 65_535;

const _: () = {
    assert!(REPLAY_MEMORY_SECONDS >= DPOP_PROOF_SECONDS + CLOCK_LEEWAY_SECONDS);
    assert!(REPLAY_MEMORY_SECONDS >= NONCE_SECONDS + CLOCK_LEEWAY_SECONDS + BODY_SECONDS.cast_signed());
    assert!(REPLAY_MEMORY_SECONDS >= CLIENT_ASSERTION_SECONDS + CLOCK_LEEWAY_SECONDS);
    // base64url makes four characters of three bytes. What else stands in a token is names and identifiers, a signature and
    // our own short header.
    assert!((AUTHORIZATION_DETAILS_BYTES + AUDIENCE_BYTES + 4 * NAME_BYTES) / 3 * 4 + 512 <= ACCESS_TOKEN_BYTES);
    assert!(SCOPES_BYTES <= AUTHORIZATION_DETAILS_BYTES, "a token has scopes or a transaction, never both");
    assert!(ACCESS_TOKEN_BYTES + 2 * JWT_BYTES < HEAD_BYTES, "a call carries a token and a proof in its head");
    assert!(CONNECTIONS_PER_NETWORK * 8 <= CONNECTIONS, "no address has more than a small part of all connections");
    assert!(HASHES_PER_NETWORK * 4 <= HASHES_AT_ONCE + HASHES_WAITING);
    assert!(HASHES_AT_ONCE > 0 && CHALLENGES_PER_SESSION > 0 && SESSIONS_PER_NETWORK > 0);
    assert!(JWT_HEADER_BYTES < JWT_BYTES && JWT_BYTES <= ACCESS_TOKEN_BYTES);
    assert!(ACCESS_TOKEN_BYTES + 2 * JWT_BYTES < BODY_BYTES, "redeem carries a token and a proof");
    assert!(CODE_SECONDS <= 60 && TRANSACTION_TOKEN_SECONDS <= 60);
    assert!(PUSHED_REQUEST_SECONDS < 600);
    assert!(INVITATION_SECONDS <= 24 * 3600 && INVITATION_GUESSES > 0);
    assert!(API_KEY_DAYS <= API_KEY_DAYS_MAX);
    assert!(DECISION_SECONDS >= PUSHED_REQUEST_SECONDS);
    assert!(CHALLENGE_SECONDS <= 600, "SP 800-63B-4 §3.1.3: out-of-band secrets within ten minutes");
    assert!(CONSECUTIVE_FAILURES <= 100);
    assert!(0 < CHALLENGE_FAILURES && CHALLENGE_FAILURES < CONSECUTIVE_FAILURES);
    assert!(0 < FREE_GUESSES && FREE_GUESSES < CONSECUTIVE_FAILURES);
    assert!(0 < GUESS_WAIT_SECONDS && GUESS_WAIT_SECONDS < GUESS_WAIT_SECONDS_MAX);
    // Steady guessing keeps the longest wait in force: a window's worth of it is more than the guesses that lead there.
    assert!(GUESS_WINDOW_SECONDS / GUESS_WAIT_SECONDS_MAX > FREE_GUESSES as i64 + 10);
    assert!(GUESS_WAIT_SECONDS << 10 >= GUESS_WAIT_SECONDS_MAX);
    assert!((CONSECUTIVE_FAILURES - FREE_GUESSES - 10) as i64 * GUESS_WAIT_SECONDS_MAX >= CEILING_REST_SECONDS);
    assert!(GUESS_MEMORY_SECONDS > GUESS_WINDOW_SECONDS && SESSION_RECORD_SECONDS > SESSION_SECONDS);
    assert!(NEW_KEY_SESSION_SECONDS <= SESSION_SECONDS);
    assert!(MAIL_STEP_SECONDS < MAIL_SEND_SECONDS && MAIL_WAIT_SECONDS < MAIL_WAIT_SECONDS_MAX);
    assert!(2 * (MAIL_SEND_SECONDS as i64) < MAIL_LEASE_SECONDS, "nobody else claims what is under way");
    assert!(BATCH_UNITS.is_power_of_two() && WRITER_QUEUE > BATCH_UNITS);
    assert!(LEAF_BYTES <= u16::MAX as usize);
};
