//! Where messages may be sent. Whoever names an endpoint makes this program call an address; without a guard that reaches the machine itself,
//! the network behind it and the metadata service of a cloud. So only addresses that are public are connected to, and the private networks that
//! the operator lists. Names are judged by what they resolve to, at every attempt anew.

use crate::model::endpoints::{BAD_ENDPOINT_URL, TARGET_REFUSED};
use credence_core::problem::{Problem, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::http::Uri;

/// Longest address that is taken.
const URL_CHARS_MAX: usize = 2000;

/// A network as CIDR writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// Of IPv4.
    V4(Ipv4Addr, u32),
    /// Of IPv6.
    V6(Ipv6Addr, u32),
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = text.trim().split_once('/')?;
        let prefix: u32 = prefix.parse().ok()?;
        let net = match base.parse().ok()? {
            IpAddr::V4(base) if prefix <= 32 => Self::V4(base, prefix),
            IpAddr::V6(base) if prefix <= 128 => Self::V6(base, prefix),
            _ => return None,
        };
        net.is_base().then_some(net)
    }

    /// Whether no bit is set behind the prefix: `10.1.2.3/8` is a slip, and which one cannot be told.
    fn is_base(self) -> bool {
        match self {
            Self::V4(base, prefix) => base.to_bits() & !mask4(prefix) == 0,
            Self::V6(base, prefix) => base.to_bits() & !mask6(prefix) == 0,
        }
    }

    /// Whether an address lies in it.
    pub fn contains(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::V4(base, prefix), IpAddr::V4(ip)) => (base.to_bits() ^ ip.to_bits()) & mask4(prefix) == 0,
            (Self::V6(base, prefix), IpAddr::V6(ip)) => (base.to_bits() ^ ip.to_bits()) & mask6(prefix) == 0,
            _ => false,
        }
    }
}

fn mask4(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0)
}

fn mask6(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0)
}

/// The private networks that endpoints may lie in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nets(Vec<Net>);

impl Nets {
    /// Reads them as the settings write them.
    ///
    /// # Errors
    /// Names the first that is no network.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        texts
            .iter()
            .map(|text| Net::parse(text).ok_or_else(|| format!("webhook_allowed_networks: {text:?} is not a network like 10.20.0.0/16")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a message may be sent to an address.
    pub fn allow(&self, ip: IpAddr) -> bool {
        allowed(ip, &self.0)
    }
}

/// Networks of IPv4 that are not the public internet: the IANA special-purpose registry, multicast and what is reserved.
const CLOSED_V4: &[Net] = &[
    Net::V4(Ipv4Addr::new(0, 0, 0, 0), 8),
    Net::V4(Ipv4Addr::new(10, 0, 0, 0), 8),
    Net::V4(Ipv4Addr::new(100, 64, 0, 0), 10),
    Net::V4(Ipv4Addr::new(127, 0, 0, 0), 8),
    Net::V4(Ipv4Addr::new(169, 254, 0, 0), 16),
    Net::V4(Ipv4Addr::new(172, 16, 0, 0), 12),
    Net::V4(Ipv4Addr::new(192, 0, 0, 0), 24),
    Net::V4(Ipv4Addr::new(192, 0, 2, 0), 24),
    Net::V4(Ipv4Addr::new(192, 88, 99, 0), 24),
    Net::V4(Ipv4Addr::new(192, 168, 0, 0), 16),
    Net::V4(Ipv4Addr::new(198, 18, 0, 0), 15),
    Net::V4(Ipv4Addr::new(198, 51, 100, 0), 24),
    Net::V4(Ipv4Addr::new(203, 0, 113, 0), 24),
    Net::V4(Ipv4Addr::new(224, 0, 0, 0), 4),
    Net::V4(Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The part of IPv6 that is given out to hosts of the internet.
const GLOBAL_V6: Net = Net::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks within it that are not: protocol assignments (Teredo, benchmarks, ORCHID) and documentation.
const CLOSED_V6: &[Net] = &[
    Net::V6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    Net::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    Net::V6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The IPv4 address that packets to this IPv6 address end up at, for the ways of writing or translating one that are in use: mapped
/// (`::ffff:0:0/96`), 6to4 (`2002::/16`) and NAT64 (`64:ff9b::/96`).
fn carried(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return Some(mapped);
    }
    let [a, b, c, _, _, _, g, h] = ip.segments();
    let (high, low) = match (a, b) {
        (0x2002, _) => (b, c),
        (0x64, 0xff9b) if ip.to_bits() >> 32 == 0x0064_ff9b_0000_0000_0000_0000 => (g, h),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
}

/// Whether a message may be sent to an address: it is public, or the operator listed its network. An address that carries one of IPv4 is judged
/// by that.
pub fn allowed(ip: IpAddr, nets: &[Net]) -> bool {
    let listed = |ip: IpAddr| nets.iter().any(|net| net.contains(ip));
    let closed = |closed: &[Net]| closed.iter().any(|net| net.contains(ip));
    match ip {
        IpAddr::V4(_) => listed(ip) || !closed(CLOSED_V4),
        IpAddr::V6(v6) => match carried(v6) {
            Some(v4) => listed(ip) || allowed(IpAddr::V4(v4), nets),
            None => listed(ip) || (GLOBAL_V6.contains(ip) && !closed(CLOSED_V6)),
        },
    }
}

/// An address of an endpoint, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host as it is looked up: a name, or an IP address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BAD_ENDPOINT_URL`] with the reason.
    pub fn read(url: &str, allow_http: bool) -> Result<Self> {
        let refused = |zh: &str, en: &str| Problem::new(&BAD_ENDPOINT_URL).with("reason_zh", zh).with("reason", en);
        let unreadable = || refused("地址无法解析", "it cannot be read as an address");
        if url.len() > URL_CHARS_MAX {
            return Err(refused("地址超过 2000 个字符", "it is longer than 2,000 characters"));
        }
        // The parser drops a fragment without a word.
        if url.contains('#') {
            return Err(refused("地址不能带 # 片段", "it has a fragment (#)"));
        }
        if !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unreadable());
        }
        let uri: Uri = url.parse().map_err(|_| unreadable())?;
        let usual_port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") if allow_http => 80,
            Some("http") => return Err(refused("须使用 https", "it is not https")),
            _ => return Err(refused("须以 https:// 开头", "it does not begin with https://")),
        };
        let authority = uri.authority().ok_or_else(unreadable)?.as_str();
        if authority.contains('@') {
            return Err(refused("地址不能带用户名或口令", "it has a user name or password"));
        }
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() {
            return Err(refused("地址没有主机", "it has no host"));
        }
        if host != bare && bare.parse::<Ipv6Addr>().is_err() {
            return Err(unreadable());
        }
        // What stands behind the host is a colon and a port, or nothing; the parser takes a port it cannot read for none.
        let port = match authority.strip_prefix(host) {
            Some("") => usual_port,
            Some(rest) => rest
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port != 0)
                .ok_or_else(|| refused("端口须在 1 至 65535 之间", "the port is not within 1 to 65535"))?,
            None => return Err(unreadable()),
        };
        Ok(Self { host: bare.to_owned(), port })
    }

    /// Refuses a target none of whose addresses may be sent to. `found` is what its name resolves to; a name that resolves to nothing yet is
    /// let through, since every attempt looks again.
    ///
    /// # Errors
    /// [`TARGET_REFUSED`].
    pub fn refuse_closed(&self, found: &[IpAddr], nets: &Nets) -> Result<()> {
        let literal: Option<IpAddr> = self.host.parse().ok();
        let mut addresses = literal.iter().chain(found).peekable();
        if addresses.peek().is_none() || addresses.any(|ip| nets.allow(*ip)) { Ok(()) } else { Err(Problem::new(&TARGET_REFUSED)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(texts: &[&str]) -> Nets {
        Nets::parse(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_public_addresses_are_sent_to() {
        let none = Nets::default();
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "4000::1",
            "fc00::1",
            "fd12:3456:789a::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!none.allow(ip(closed)), "{closed} is not public");
        }
        for open in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "198.17.255.255",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2400:3200::1",
            "2a00:1450:4001:800::200e",
        ] {
            assert!(none.allow(ip(open)), "{open} is public");
        }
    }

    #[test]
    fn listed_networks_are_opened_and_nothing_beside_them() {
        let listed = nets(&["10.20.0.0/16", "fd00:1::/32", "127.0.0.1/32"]);
        for open in ["10.20.0.1", "10.20.255.255", "::ffff:10.20.3.4", "64:ff9b::a14:304", "fd00:1::5", "127.0.0.1", "8.8.8.8"] {
            assert!(listed.allow(ip(open)), "{open}");
        }
        for closed in ["10.21.0.1", "10.19.255.255", "127.0.0.2", "::1", "fd00:2::5", "::ffff:10.21.0.1"] {
            assert!(!listed.allow(ip(closed)), "{closed}");
        }
        assert!(nets(&["0.0.0.0/0"]).allow(ip("10.0.0.1")) && !nets(&["0.0.0.0/0"]).allow(ip("::1")));
        assert!(nets(&["::/0"]).allow(ip("::1")));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "::1/129", "fd00::1/32", "localhost/8", "10.0.0.0/-1", "10.0.0/8"] {
            let why = Nets::parse(&["127.0.0.0/8".to_owned(), bad.to_owned()]).unwrap_err();
            assert!(why.contains(&format!("{bad:?}")), "{why}");
        }
    }

    #[test]
    fn an_address_is_read_or_refused_with_a_reason() {
        let read = |url: &str| Target::read(url, false).map(|t| (t.host, t.port));
        assert_eq!(read("https://hooks.example.cn/credence?k=1").unwrap(), ("hooks.example.cn".to_owned(), 443));
        assert_eq!(read("https://hooks.example.cn:8443").unwrap(), ("hooks.example.cn".to_owned(), 8443));
        assert_eq!(read("https://[2400:3200::1]:444/x").unwrap(), ("2400:3200::1".to_owned(), 444));
        assert_eq!(Target::read("http://127.0.0.1:9000/x", true).unwrap(), Target { host: "127.0.0.1".to_owned(), port: 9000 });
        for (bad, reason) in [
            ("", "it cannot be read as an address"),
            ("hooks.example.cn/x", "it cannot be read as an address"),
            ("/x", "it does not begin with https://"),
            ("http://hooks.example.cn/x", "it is not https"),
            ("ftp://hooks.example.cn/x", "it does not begin with https://"),
            ("https://user:secret@hooks.example.cn/x", "it has a user name or password"),
            ("https://user@hooks.example.cn/x", "it has a user name or password"),
            ("https://hooks.example.cn/x#part", "it has a fragment (#)"),
            ("https://hooks.example.cn:0/x", "the port is not within 1 to 65535"),
            ("https://hooks.example.cn:65536/x", "the port is not within 1 to 65535"),
            ("https://hooks.example.cn:/x", "the port is not within 1 to 65535"),
            ("https://hooks.example.cn:+80/x", "the port is not within 1 to 65535"),
            ("https://hooks.example.cn/a b", "it cannot be read as an address"),
            ("https://hooks.example.cn/征信", "it cannot be read as an address"),
        ] {
            let problem = Target::read(bad, false).unwrap_err();
            assert_eq!(problem.code(), "bad_endpoint_url", "{bad}");
            assert_eq!(problem.details.get("reason").unwrap(), reason, "{bad}");
        }
        assert_eq!(Target::read("https://:443/x", false).unwrap_err().code(), "bad_endpoint_url");
        assert_eq!(Target::read(&format!("https://h.cn/{}", "x".repeat(2000)), false).unwrap_err().code(), "bad_endpoint_url");
    }

    #[test]
    fn a_target_is_refused_when_none_of_its_addresses_is_open() {
        let read = |url: &str| Target::read(url, true).unwrap();
        let none = Nets::default();
        let (name, literal) = (read("https://hooks.example.cn/"), read("http://[::ffff:127.0.0.1]:80/"));
        assert_eq!(name.refuse_closed(&[ip("127.0.0.1"), ip("::1")], &none).unwrap_err().code(), "webhook_target_refused");
        assert_eq!(literal.refuse_closed(&[], &none).unwrap_err().code(), "webhook_target_refused");
        assert!(name.refuse_closed(&[ip("10.0.0.1"), ip("8.8.8.8")], &none).is_ok(), "only the open one is connected to");
        assert!(name.refuse_closed(&[], &none).is_ok(), "it may be entered into the DNS later");
        assert!(literal.refuse_closed(&[], &nets(&["127.0.0.0/8"])).is_ok());
    }
}
