//! The demo as others meet it: the real binary, a real database, and HTTP from outside.

// A test that cannot go on should stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement;
mod application;
mod audit;
mod authzen;
mod badinput;
mod browser;
mod chance;
mod clients;
mod clock;
mod cmd;
mod collector;
mod concurrency;
mod contract;
mod crash;
mod database;
mod decisions;
mod evaluation;
mod evidence;
mod examples;
mod harness;
mod input;
mod journey;
mod laundering;
mod logbook;
mod node;
mod operate;
mod own;
mod passkey;
mod picture;
mod relay;
mod rest;
mod routes;
mod schema;
mod sign_in;
mod staff;
mod throttle;
mod treasury;
mod unauthorized;
mod userinfo;
mod volley;
