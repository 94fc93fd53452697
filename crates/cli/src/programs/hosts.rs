//! To which hosts a program that asks by host is given the token.

use clap::Args;
use url::Url;

/// One of the two has to be said: a program that asks for every host would else carry the token to each of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Hosts {
    /// A host that may be given the token, with its port where it is not the usual one; repeat it for several
    #[arg(long = "host", value_name = "HOST[:PORT]", value_parser = origin)]
    hosts: Vec<Url>,
    /// Give the token to every host that is asked for
    #[arg(long)]
    any_host: bool,
}

impl Hosts {
    /// Whether `url` is of one of them.
    pub(crate) fn include(&self, url: &Url) -> bool {
        let same = |host: &Url| (host.host(), host.port()) == (url.host(), url.port());
        self.any_host || self.hosts.iter().any(same)
    }
}

fn origin(text: &str) -> Result<Url, &'static str> {
    let plain = !text.contains(['/', '\\', '@', '?', '#', ','])
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(&format!("https://{text}/")).ok();
    url.filter(|_| plain).ok_or("write a host alone, such as git.example.com or git.example.com:8443")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(host: &str) -> Hosts {
        Hosts { hosts: vec![origin(host).unwrap()], any_host: false }
    }

    #[test]
    fn a_token_goes_to_the_named_host_and_port_alone() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(only("Git.Example").include(&url("https://git.example/x")));
        assert!(only("git.example:443").include(&url("https://git.example/")));
        assert!(only("git.example:8443").include(&url("https://git.example:8443/")));
        for other in [
            "https://git.example:8443/",
            "https://a.git.example/",
            "https://git.example.evil/",
            "https://git.example@evil/",
            "https://example/",
        ] {
            assert!(!only("git.example").include(&url(other)), "{other}");
        }
        assert!(Hosts { hosts: vec![], any_host: true }.include(&url("https://other/")));
    }

    #[test]
    fn a_host_is_a_host_and_nothing_more() {
        for bad in [
            "",
            "https://git.example",
            "git.example/x",
            "me@git.example",
            "a b",
            "a,b",
            "git.example:x",
            "a?b",
            "a#b",
            ":8443",
        ] {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }
}
