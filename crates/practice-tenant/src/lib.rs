//! A simulated Microsoft 365 tenant: the token endpoint and Microsoft Graph over HTTP, with state,
//! paging, delta, soft delete, seats, refusals, throttling, replication delay and faults on demand.
//!
//! ```no_run
//! # async fn start() -> std::io::Result<()> {
//! use signpost_practice_tenant::{Options, PracticeTenant};
//! let practice = PracticeTenant::new(Options { users: 1_000, ..Options::default() });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! practice.serve(listener, std::future::pending()).await
//! # }
//! ```
//! It shares no type with our Graph client, or a wrong field name would agree with itself.
//!
//! # Control API
//!
//! Everything under `/_practice/` takes and gives JSON and needs no token. `GET /_practice/` is the
//! page for people. A body that cannot be used is answered with 400 and `{"error": "…"}`.
//!
//! | call | body or query | answer |
//! |---|---|---|
//! | `GET credentials` | | `tenant_id`, `client_id`, `secret`, `domains` (as Graph shows them), `graph` and `authority` (both `http://host:port`, without a path), `applications` `[{key, name, client_id, object_id, secret, secret_id, secret_expires, permissions}]` with the keys `good`, `expired-secret`, `expiring-secret`, `no-consent`, `excess`, `full` |
//! | `GET calls` | | see below |
//! | `POST reset` | `{"what":"calls"}` or `{"what":"all"}` (also when empty) | `{}`; `all` also forgets tokens, faults and quotas, not the clock or the settings |
//! | `POST faults` | one fault, or `{"faults":[…]}`; see below | `{"id":1,"ids":[1]}` |
//! | `GET faults` | | `{"faults":[{id, fault, matched, happened}]}` |
//! | `DELETE faults`, `DELETE faults/{id}` | | `{}` |
//! | `GET faults/{id}/happened` | `?times=` | `{"happened":1}`, once it is so |
//! | `POST faults/{id}/release` | | `{}` |
//! | `GET accounts` | `?state=live\|deleted`, `?key=` (id or UPN), `?skip=`, `?top=` | `{"accounts":[…]}` in Graph's names, deleted ones too (`deletedDateTime`), with `assignedLicenses`, `licenseAssignmentStates`, `memberOf` (group ids), `manager` (id or null), `roles`, `hasPhoto`. A deleted account's `userPrincipalName` starts with its id, as in Entra |
//! | `POST accounts` | one account or `{"accounts":[…]}` in Graph's names: changes the one with that `id` or `userPrincipalName`, creates it otherwise. Besides: `manager` (id, UPN or null), `memberOf` (group ids, replaces), `assignedLicenses` `[{skuId or skuPartNumber, disabledPlans}]` (replaces the direct ones, seats are not checked), `onPremisesSyncEnabled`, `roles` (names, replaces) | `{"id":"…","ids":[…]}` |
//! | `DELETE accounts/{id or UPN}` | `?purge=true` deletes for ever | `{}` |
//! | `GET groups` | | `{"groups":[{id, displayName, groupTypes, members:[ids], assignedLicenses, deletedDateTime, …}]}` |
//! | `POST groups` | `id` to change; `displayName`, `description`, `groupTypes`, `members` (ids or UPNs, replaces), `isAssignableToRole`, `onPremisesSyncEnabled`, `delete` | `{"id":"…"}` |
//! | `GET skus` | | `{"skus":[{skuId, skuPartNumber, productName, consumedUnits, enabled, warning, suspended, free, …}]}` |
//! | `POST skus` | `skuId` or `skuPartNumber`; `enabled`, `warning`, `suspended`, `capabilityStatus`, `next_lifecycle_in_days` | `{skuId, enabled, free}` |
//! | `POST domains` | `id`; `verified`, `default`, `delete` | `{}` |
//! | `POST applications` | `key` (default `good`) or `client_id`; `permissions` (replaces), `grant`, `revoke`, `enabled`, `privileged` (its principal holds a role that reaches administrators), `secret_expires_in_days`, `certificate_pem` (registers it) | `{"permissions":[…]}`; permissions count from the next token on |
//! | `POST delta` | `expire` (every token so far gets 410), `page_size` (200), `repeat`, `reverse`, `empty_page` | `{}` |
//! | `POST tokens/expire` | | `{}`: every access token so far gets 401 |
//! | `GET clock`, `POST clock` | `{"advance_ms":1000}` | `{now_ms, now}` |
//! | `GET sign-ins` | | `{"sign_ins":[{id, at, outcome, account, code, refusals, asked, claims}], "waiting": n}`, newest first; see below |
//! | `POST settings` | `throttle` (`documented`, `off`), `replication_delay_ms` | `{}` |
//!
//! **Calls**: `total` (HTTP requests to Graph, a batch is one), `tokens` (token requests, not in
//! `total`), `reads`, `writes` (accepted ones, parts of batches counted one by one),
//! `unchanged_writes` (accepted writes that changed nothing), `refused` (400 and above but 429),
//! `throttled`, `batches`, `parts`, `faults`, `late` (carried out after `late_ms`), `connections` (accepted TCP connections), `by_route`
//! (`{"POST /users/{id}/assignLicense": 3, "POST /$batch": 1, "GET /users/delta": 1, …}`, parts
//! included), `by_status`, and `last` (the last 200, newest first). In a template every parameter is
//! `{id}`; the token endpoint is `POST /{tenant}/oauth2/v2.0/token`.
//!
//! **Signing in** to a federated domain: `GET /_practice/sign-in` is the page where a person begins;
//! its form posts `username`, and when wanted `multi_factor`, `fresh` and `binding` (`post`,
//! `redirect`), to the same address, which sends the browser to the domain's provider. Providers post
//! their answer to **`/login.srf`**, the reply address, at the root of the tenant's own address. It is
//! judged as Microsoft would and shown at `/_practice/sign-ins/{id}`; `outcome` is `signed_in`,
//! `refused` (`code` is Microsoft's, such as `AADSTS50107`, `refusals` says why in plain words) or
//! `signed_out`. `POST /_practice/sign-out` with `username` begins a sign-out. `GET
//! /common/userrealm/{name}` tells how a name signs in.
//!
//! **A fault** matches by `method`, `route` (template as above; `/v1.0`, `()`, other parameter names
//! are understood), `contains` (text in the URL, or in the body as compact JSON) and `within` (`"batch"` or `"single"`), each
//! optional. It happens for ever, `"once": true`, `"times": n`, or to a `"share": 0.1` of the
//! matches drawn from `"seed"`; `"skip": n` lets the first n matches pass. The first matching fault
//! wins. What happens:
//!
//! * `status` with `headers`, and `body` (JSON, or text sent as it is) or `code` and `message` of a
//!   Graph error: answered **instead** of carrying the request out; with `"after": true` the request
//!   is carried out first (a 504 although the write happened).
//! * `"drop_before": true`: the connection is cut, nothing happened. `"drop_after": true`: it
//!   happened, then the connection is cut. On a part of a batch, the whole batch's connection.
//! * `"late_ms": 300`: the connection is cut at once, and the request is carried out that much later.
//! * `"missing": true`: the part is carried out but left out of its batch's answer.
//! * `"garbage": true`: carried out, and the answer is not JSON.
//! * `"doubled": true`: the part stands twice in its batch's answer.
//! * `"hold": true`: the request waits before it is carried out, or with `"after": true` the answer
//!   waits (on a part of a batch always the answer, of the whole batch). `POST faults/{id}/release`
//!   lets it go on, `DELETE faults/{id}` cuts its connection. `GET faults/{id}/happened?times=n`
//!   answers once the fault has happened n times (1): so a test acts at that very instant.
//! * `delay_ms` waits before the answer, alone or with any of these.
//!
//! Answers a fault has made carry the header `x-practice-fault`.
//!
//! **Default content**: tenant Contoso Practice; `contoso-practice.onmicrosoft.com` (initial,
//! default), `contoso.example` (verified, managed), `unverified.example`; two break-glass Global
//! Administrators, a User Administrator `helpdesk@contoso.example`, a synchronised
//! `warehouse.kiosk@contoso.example`; accounts that match the sample directory: `alice.martins@` and
//! `Bob.Keller@` by user principal name (Alice has Microsoft 365 E3), `c.whitfield@` by Carol's mail,
//! `dave@` and `dobrien@` both with Dave's mail. SKUs: `SPE_E3` 300 seats, `SPB` 25, `VISIOCLIENT` 5,
//! `EXCHANGEARCHIVE_ADDON` 20 (needs an Exchange plan), `FLOW_FREE` 10,000, `ENTERPRISEPACK` suspended,
//! `SHAREPOINTSTORAGE` for the company. `SPE_E3` and `SPB` exclude each other.

mod admin_center;
mod answer;
mod applications;
mod args;
mod batch;
mod calls;
mod clock;
mod control;
mod control_writes;
mod credentials;
mod deleted_items;
mod delta;
mod domains;
mod faults;
mod fields;
mod filter;
mod graph;
mod group_delta;
mod group_licenses;
mod groups;
mod html;
mod licenses;
mod listener;
mod members;
mod objects;
mod own_keys;
mod pages;
mod permissions;
mod persist;
mod policies;
mod practice;
mod registrations;
mod request;
mod roles;
mod routes;
mod seed;
mod select;
mod server;
mod sign_in;
mod skus;
mod tenant;
mod throttle;
mod tls;
mod tokens;
mod user;
mod user_changes;
mod user_list;
mod users;

pub use args::Args;
pub use clock::Clock;
pub use credentials::Credentials;
pub use practice::{Options, PracticeTenant, Throttle};
pub use tls::TestIdentity;
