//! A log as a store would write it, for the tests that read it again.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use counterfoil_core::{
    assurance::{Acr, Binding, Method, Tier},
    audit::{
        chain::{Chain, Link},
        checkpoint::{Checkpoint, LogKey, Signer},
        event::{Actor, Event, EventKind, LeafHash, Outcome, Personal, ReportedOutcome},
        kind::Predecessor,
        tree::Edge,
        verify::{Given, Report, Row, verify},
    },
    digest::Digest,
    id::{AuthenticatorId, ChallengeId, DecisionId, EventId, LoginId, RunId, SessionId, SubjectId, TokenId},
    seal::MasterKey,
    statement::Purpose,
    time::Time,
};

pub const START: Time = Time::from_seconds(1_800_000_000);
pub const ORIGIN: &str = "id.example.org/log";

macro_rules! numbered {
    ($($name:ident: $id:ident),*) => { $(pub fn $name(n: u8) -> $id { $id::new(START, [n; 10]) })* };
}
numbered!(run: RunId, subject: SubjectId, passkey: AuthenticatorId, login: LoginId, session: SessionId,
    challenge: ChallengeId, decision: DecisionId, token: TokenId);

pub struct LogSigner(Ed25519KeyPair, LogKey);

impl LogSigner {
    pub fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let key = LogKey::new(ORIGIN, pair.public_key().as_ref().try_into().unwrap()).unwrap();
        Self(pair, key)
    }
}

impl Signer for LogSigner {
    fn log_key(&self) -> &LogKey {
        &self.1
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

/// Rows of one node, in the order of the tree.
pub struct Log {
    pub rows: Vec<Row>,
    chain: Chain,
    events: u64,
    pub now: Time,
}

impl Log {
    /// With the first event of its first run.
    pub fn begin() -> Self {
        let mut log = Self { rows: Vec::new(), chain: chain(1), events: 0, now: START };
        log.add(EventKind::RunBegun { run: run(1), epoch: 1, predecessor: None });
        log
    }

    /// Another run, which names the last link as its predecessor's end.
    pub fn begin_run(&mut self, n: u8) {
        let last = self.rows.last().unwrap();
        let predecessor = Some(Predecessor { run: last.run, number: last.number, mac: last.mac });
        self.chain = chain(n);
        self.add(EventKind::RunBegun { run: run(n), epoch: 1, predecessor });
    }

    pub fn add(&mut self, kind: EventKind) {
        self.now = self.now.plus_seconds(1);
        self.add_at(kind, self.now);
    }

    pub fn add_at(&mut self, kind: EventKind, at: Time) {
        self.events += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.events.to_be_bytes());
        let personal = matches!(kind, EventKind::SessionSignedIn { .. })
            .then(|| Personal::new([7; 16], [("user_agent", "Mozilla/5.0".to_owned())]));
        let event = Event { id: EventId::new(START, random), at, actor: Actor::System {}, kind, personal };
        let leaf = event.leaf_bytes().unwrap();
        let Link { run, number, mac, .. } = self.chain.append(&LeafHash::of(&leaf));
        let index = Some(self.rows.len() as u64);
        self.rows.push(Row { index, run, number, mac, leaf, personal: event.personal });
    }

    /// A subject enrols, signs in, is asked, proves, gets a token and spends it.
    pub fn story(&mut self, n: u8) {
        for kind in story(n) {
            self.add(kind);
        }
    }

    /// The note over everything so far.
    pub fn checkpoint(&self) -> String {
        let mut edge = Edge::empty();
        self.rows.iter().for_each(|row| edge.append_one(&LeafHash::of(&row.leaf)));
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: edge.size(), root: edge.root() };
        checkpoint.sign(&LogSigner::new(1)).unwrap().to_string()
    }

    pub fn given(&self) -> Given {
        Given {
            chain_key: Some(MasterKey::from_bytes([1; 32]).chain().unwrap()),
            log_keys: vec![LogSigner::new(1).log_key().clone()],
            checkpoints: vec![self.checkpoint()],
            trusted: None,
            decisions: false,
        }
    }

    pub fn verify(&self) -> Report {
        verify(self.given(), &self.rows)
    }
}

fn chain(n: u8) -> Chain {
    Chain::begin(MasterKey::from_bytes([1; 32]).chain().unwrap(), run(n), 1)
}

pub fn enrolled(n: u8) -> EventKind {
    EventKind::AuthenticatorEnrolled {
        authenticator: passkey(n),
        subject: subject(n),
        method: Method::Passkey,
        ceiling: Acr::Phr,
        credential: Some(Digest::of(&[n])),
        attestation: None,
        login: None,
        vouched_by: vec![],
    }
}

pub fn accepted(n: u8, challenge: Option<ChallengeId>) -> EventKind {
    EventKind::ProofAccepted {
        subject: subject(n),
        authenticator: passkey(n),
        method: Method::Passkey,
        challenge,
        session: Some(session(n)),
        totp_step: None,
        assertion: None,
    }
}

pub fn signed_in(n: u8) -> EventKind {
    EventKind::SessionSignedIn {
        session: session(n),
        login: login(n),
        subject: subject(n),
        authenticators: vec![passkey(n)],
        acr: Acr::Phr,
        binding: Binding::KnownDevice,
    }
}

pub fn decided(n: u8, outcome: Outcome) -> EventKind {
    EventKind::DecisionMade {
        decision: decision(n),
        record: Digest::of(&[n]),
        subject: Some(subject(n)),
        action: "payout.change".to_owned(),
        resource_type: "account".to_owned(),
        resource_id: "7".to_owned(),
        tier: Some(Tier::High),
        outcome,
        policy_version: Digest::of(b"policy"),
        audience: Some("https://api.example.org".to_owned()),
        txn_digest: Some(Digest::of(b"txn")),
    }
}

pub fn opened(n: u8) -> EventKind {
    EventKind::ChallengeOpened {
        challenge: challenge(n),
        signer: Some(subject(n)),
        purpose: Purpose::Transaction,
        statement: Digest::of(&[n, 1]),
        ceremony_nonce: Digest::of(&[n, 2]),
        session: session(n),
        decision: Some(decision(n)),
        request: Some(Digest::of(&[n, 3])),
        txn_digest: Some(Digest::of(b"txn")),
        expires_at: START.plus_seconds(300),
    }
}

pub fn proven(n: u8) -> EventKind {
    EventKind::ChallengeProven {
        challenge: challenge(n),
        authenticator: passkey(n),
        method: Method::Passkey,
        assertion: None,
    }
}

pub fn coded(n: u8) -> EventKind {
    EventKind::CodeIssued {
        code: Digest::of(&[n, 4]),
        client_id: "treasury".to_owned(),
        login: login(n),
        challenge: Some(challenge(n)),
        expires_at: START.plus_seconds(300),
    }
}

pub fn issued(n: u8) -> EventKind {
    EventKind::TokenIssued {
        token: token(n),
        client_id: "treasury".to_owned(),
        audience: "https://api.example.org".to_owned(),
        subject: Some(subject(n)),
        login: Some(login(n)),
        challenge: Some(challenge(n)),
        code: Some(Digest::of(&[n, 4])),
        jkt: Digest::of(b"jkt"),
        expires_at: START.plus_seconds(300),
    }
}

pub fn spent(n: u8) -> EventKind {
    EventKind::Spent {
        challenge: challenge(n),
        redemption: Digest::of(&[n, 5]),
        audience: "https://api.example.org".to_owned(),
        txn_digest: Digest::of(b"txn"),
        token: Some(token(n)),
        decision: decision(n),
        policy_version: Digest::of(b"policy"),
    }
}

pub fn reported(n: u8) -> EventKind {
    EventKind::OutcomeReported {
        challenge: challenge(n),
        redemption: Digest::of(&[n, 5]),
        outcome: ReportedOutcome::Executed,
    }
}

/// Eleven events that belong together.
pub fn story(n: u8) -> Vec<EventKind> {
    vec![
        enrolled(n),
        accepted(n, None),
        signed_in(n),
        decided(n, Outcome::StepUp),
        opened(n),
        accepted(n, Some(challenge(n))),
        proven(n),
        coded(n),
        issued(n),
        spent(n),
        reported(n),
    ]
}
