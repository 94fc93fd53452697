//! The settings of a company's network: certificates of an authority that nobody else knows, and a proxy as the only way out.

use pilotlight_tests::process::Process;
use pilotlight_tests::{Keystore, PrivateCertificate, PrivateDesktop, Server, Tunnel, process, wait};

use crate::program::{Ran, command, run, run_to_end, sign_in, token};

/// A name that exists nowhere.
const NAME: &str = "id.pilotlight.test";

fn server(certificate: &PrivateCertificate, issuer: Option<&str>) -> Server {
    let options = Server::demo().argument("--tls-cert").argument(&certificate.chain);
    let options = options.argument("--tls-key").argument(&certificate.key);
    match issuer {
        Some(issuer) => options.argument("--issuer").argument(issuer).start(),
        None => options.start(),
    }
}

fn set(desktop: &PrivateDesktop, setting: &str, value: &str) {
    let ran = run(desktop, &["settings", "set", setting, value]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

fn refused(ran: &Ran, code: &str) {
    assert_eq!((ran.code, ran.error().as_str()), (4, code), "{}", ran.err);
    assert!(ran.err.contains("certificate") || ran.err.contains("UnknownIssuer"), "the reason is missing: {}", ran.err);
}

#[test]
fn a_service_of_a_private_authority_is_believed_where_a_person_trusts_it_and_nowhere_else() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let certificate = PrivateCertificate::issue(desktop.folder(), "127.0.0.1");
    let server = server(&certificate, None);
    assert!(server.issuer().starts_with("https://127.0.0.1:"), "{}", server.issuer());
    refused(&sign_in(&desktop, &server, "demo\n"), "offline");

    set(&desktop, "ca-file", certificate.authority.to_str().unwrap());
    let ran = sign_in(&desktop, &server, "demo\n");
    assert_eq!((ran.code, &ran.json()["state"]), (0, &"signed-in".into()), "{}", ran.err);
    assert_ne!(token(&desktop, &["--refresh"]), token(&desktop, &["--refresh"]));
    wait::until("two rotations", || (server.rotations() == 2).then_some(()));

    set(&desktop, "ca-file", "default");
    refused(&run(&desktop, &["token", "work", "--refresh", "--json"]), "offline");
    assert_eq!(run(&desktop, &["status", "work", "--json"]).code, 0, "it is not signed out");
    assert_eq!(server.rotations(), 2);
}

#[test]
fn requests_leave_by_the_proxy_that_a_person_set_and_those_of_programs_do_too() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let certificate = PrivateCertificate::issue(desktop.folder(), NAME);
    let server = server(&certificate, Some(&format!("https://{NAME}")));
    let tunnel = Tunnel::to(server.address());
    set(&desktop, "proxy", &tunnel.url());
    refused(&sign_in(&desktop, &server, "demo\n"), "offline");
    set(&desktop, "ca-file", certificate.authority.to_str().unwrap());
    let ran = sign_in(&desktop, &server, "demo\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    token(&desktop, &["--refresh"]);
    wait::until("the rotation", || (server.rotations() == 1).then_some(()));
    let asked = tunnel.asked();
    assert!(!asked.is_empty() && asked.iter().all(|name| *name == format!("{NAME}:443")), "{asked:?}");

    let upstream = format!("https://{NAME}/");
    let mut injecting = Process::start(&mut command(&desktop, &["proxy", "work", "--upstream", &upstream]));
    let (out, _) = injecting.collect();
    let address = wait::until("the proxy's address", || out.lines().first().cloned());
    let mut curl = process::piped(desktop.command("curl"));
    let answer =
        run_to_end(curl.args(["-sS", "--noproxy", "*", "--max-time", "60", &format!("{address}userinfo")]), "");
    assert_eq!(answer.json()["preferred_username"], "demo", "{}", answer.out);
    injecting.kill();

    let aws = ["aws", "work", "--role-arn", "arn:aws:iam::123456789012:role/demo", "--sts", &upstream, "--json"];
    let before = tunnel.asked().len();
    let ran = run(&desktop, &aws);
    assert!(ran.code != 0 && ran.error() != "offline", "this is no STS, and it was reached: {}", ran.err);
    assert_eq!(tunnel.asked().len(), before + 1);
}
