//! Whose connection to a loopback port it is: the kernel's table of TCP sockets tells (proc_pid_net(5)).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Whether the other end of a connection between `peer` and `here` belongs to a process of this user.
pub(super) fn is_ours(peer: SocketAddr, here: SocketAddr) -> bool {
    let own = rustix::process::geteuid().as_raw();
    // A socket for both versions of IP stands in the second table, with its IPv4 address mapped.
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .any(|table| owner_in(table, peer, here).is_ok_and(|uid| uid == Some(own)))
}

fn owner_in(table: &str, peer: SocketAddr, here: SocketAddr) -> io::Result<Option<u32>> {
    let pairs = [(written(peer), written(here)), (written(mapped(peer)), written(mapped(here)))];
    for line in BufReader::new(File::open(table)?).lines() {
        let line = line?;
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote)) = (words.next(), words.next()) else { continue };
        if pairs.iter().any(|(peer, here)| local == peer && remote == here) {
            return Ok(words.nth(4).and_then(|uid| uid.parse().ok()));
        }
    }
    Ok(None)
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// As the kernel writes it: the address in words of 32 bits of this machine's own order.
fn written(address: SocketAddr) -> String {
    let words = |bytes: &[u8]| -> String {
        let word = |four: &[u8]| four.try_into().map_or(0, u32::from_ne_bytes);
        bytes.chunks(4).map(|four| format!("{:08X}", word(four))).collect()
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&Ipv6Addr::octets(&ip)),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_our_own_is_found_and_one_that_does_not_exist_is_nobodys() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let here = listener.local_addr().unwrap();
            let client = TcpStream::connect(here).unwrap();
            let peer = client.local_addr().unwrap();
            assert!(is_ours(peer, here), "{peer} {here}");
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert!(!is_ours(nobody, here));
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_written_as_the_kernel_does() {
        assert_eq!(written("127.0.0.1:8080".parse().unwrap()), "0100007F:1F90");
        assert_eq!(written(mapped("127.0.0.1:80".parse().unwrap())), "0000000000000000FFFF00000100007F:0050");
        assert_eq!(written("[::1]:1".parse().unwrap()), "00000000000000000000000001000000:0001");
    }
}
