//! What proxies say about the far end (RFC 7239, and the older `X-Forwarded-…`), believed from the operator's own alone:
//! anybody else can send these headers too (RFC 9700 section 4.13).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The addresses of proxies of ours: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// What is no block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address or a block of addresses, as in 10.0.0.7 or 10.0.0.0/8 or fd00::/8")]
pub struct BadProxy;

impl FromStr for TrustedProxy {
    type Err = BadProxy;

    fn from_str(text: &str) -> Result<Self, BadProxy> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| one()).map(|net| Self(net.trunc())).map_err(|_| BadProxy)
    }
}

/// One way of naming the far end, from the far to the near.
#[derive(Default)]
struct Named {
    /// `None` is a name that is no address.
    hops: Vec<Option<IpAddr>>,
    in_clear: Option<bool>,
}

/// The address of the far end, and whether it spoke to the outermost proxy without TLS; `None` where nobody said.
pub(super) fn far_end(trusted: &[TrustedProxy], peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Option<bool>) {
    let peer = peer.to_canonical();
    let is_ours = |address: &IpAddr| trusted.iter().any(|proxy| proxy.0.contains(address));
    if !is_ours(&peer) {
        return (peer, None);
    }
    let ways = [forwarded(headers), x_forwarded(headers)];
    let in_clear = match (ways[0].in_clear, ways[1].in_clear) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    };
    let mut ends = ways.iter().filter(|way| !way.hops.is_empty()).map(|way| end_of(&way.hops, peer, is_ours));
    let address = match (ends.next(), ends.next()) {
        // A proxy that sets one of the two passes the other on as it came, from anybody: where they differ none is believed.
        (Some(one), Some(other)) if one != other => peer,
        (Some(end), _) => end,
        (None, _) => peer,
    };
    (address, in_clear)
}

/// From the near to the far as long as it is one of ours who speaks; the first who is not is the far end.
fn end_of(hops: &[Option<IpAddr>], peer: IpAddr, is_ours: impl Fn(&IpAddr) -> bool) -> IpAddr {
    let mut end = peer;
    for hop in hops.iter().rev() {
        let Some(address) = hop else { break };
        end = *address;
        if !is_ours(address) {
            break;
        }
    }
    end
}

/// RFC 7239 section 4.
fn forwarded(headers: &HeaderMap) -> Named {
    let mut named = Named::default();
    for element in elements(headers, &axum::http::header::FORWARDED) {
        let mut hop = None;
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("for") => hop = node(value),
                name if name.eq_ignore_ascii_case("proto") => named.in_clear = Some(is_clear(value)),
                _ => {}
            }
        }
        named.hops.push(hop);
    }
    named
}

fn x_forwarded(headers: &HeaderMap) -> Named {
    const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    let hops = elements(headers, &FOR).map(node).collect();
    Named { hops, in_clear: elements(headers, &PROTO).last().map(is_clear) }
}

/// The parts of a list, over all lines of the header.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter();
    // What is no text names nobody, but keeps its place.
    lines.flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(str::trim)
}

fn is_clear(proto: &str) -> bool {
    !proto.eq_ignore_ascii_case("https")
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: Option<IpAddr> = text.parse().ok();
    address.or_else(bare).or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn seen(peer: &str, headers: &[(&str, &str)]) -> (String, Option<bool>) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_str(name).unwrap(), value.parse().unwrap());
        }
        let (address, in_clear) = far_end(&trusted, peer.parse().unwrap(), &map);
        (address.to_string(), in_clear)
    }

    #[test]
    fn rfc9700_section_4_13_nobody_but_a_trusted_proxy_is_believed() {
        let headers = [("forwarded", "for=192.0.2.1;proto=https"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen("203.0.113.9", &headers), ("203.0.113.9".to_owned(), None));
        assert_eq!(seen(PROXY, &headers), ("192.0.2.1".to_owned(), Some(false)));
        assert_eq!(seen("::ffff:10.0.0.1", &headers).0, "192.0.2.1", "as a socket for both families writes it");
    }

    #[test]
    fn what_a_client_wrote_before_the_first_proxy_of_ours_counts_for_nothing() {
        for header in ["198.51.100.1, 192.0.2.1", "10.0.0.9, 192.0.2.1", "192.0.2.1, 10.0.0.2, 10.0.0.3"] {
            assert_eq!(seen(PROXY, &[("x-forwarded-for", header)]).0, "192.0.2.1", "{header}");
        }
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen(PROXY, &lines).0, "192.0.2.1");
    }

    #[test]
    fn where_the_two_headers_differ_the_proxy_itself_is_counted() {
        let headers = [("forwarded", "for=198.51.100.1"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(seen(PROXY, &headers).0, PROXY);
    }

    #[test]
    fn rfc7239_section_6_addresses_come_in_quotes_brackets_and_with_ports() {
        let ways = [
            (r#"for="[2001:db8::1]:4711";by=10.0.0.1"#, "2001:db8::1"),
            (r#"For="[2001:db8::1]""#, "2001:db8::1"),
            ("for=192.0.2.1:80;proto=http", "192.0.2.1"),
            ("for=unknown", PROXY),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("proto=https", PROXY),
            ("", PROXY),
            (";;=,=;", PROXY),
        ];
        for (header, address) in ways {
            assert_eq!(seen(PROXY, &[("forwarded", header)]).0, address, "{header}");
        }
        assert_eq!(seen(PROXY, &[("x-forwarded-proto", "http")]).1, Some(true));
        assert_eq!(seen(PROXY, &[("x-forwarded-proto", "https"), ("forwarded", "proto=http")]).1, Some(true));
    }

    #[test]
    fn a_block_is_written_as_an_address_or_with_its_length() {
        assert_eq!("10.1.2.3/8".parse(), Ok(TrustedProxy("10.0.0.0/8".parse().unwrap())));
        assert!("127.0.0.1".parse::<TrustedProxy>().is_ok() && "::1".parse::<TrustedProxy>().is_ok());
        for wrong in ["", "10.0.0.0/33", "proxy", "10.0.0"] {
            assert_eq!(wrong.parse::<TrustedProxy>(), Err(BadProxy), "{wrong}");
        }
    }
}
