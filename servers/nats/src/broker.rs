//! The address of a broker, and what the broker says about itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::BytesMut;
use net::{Address, AddressError, Endpoint, Scheme};
use tokio::io::AsyncReadExt;

use crate::wire::{Decoder, Operation};

/// The schemes of a broker's URL: `nats://[USER:PASSWORD@]HOST[:4222]`.
pub const SCHEMES: &[Scheme] = &[Scheme::host("nats").default_port(4222).default_host("localhost").login()];

/// A broker, parsed from `nats://[USER:PASSWORD@]HOST[:PORT]`. It is shown without the credentials.
#[derive(Clone)]
pub struct Broker {
    address: Address,
    login: Option<Login>,
}

/// A user name and a password.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Broker {
    /// Host and port.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.address.endpoint()
    }

    /// The credentials; `None` if the URL has none.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

impl FromStr for Broker {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let address = Address::parse(url, SCHEMES)?;
        let given = address.credentials().filter(|credentials| !credentials.is_empty());
        let decode = |credentials: &net::Credentials| {
            Ok(Login { user: credentials.user()?, password: credentials.password()? })
        };
        let login = given.map(decode).transpose()?;
        Ok(Broker { address, login })
    }
}

/// Without the credentials.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.public())
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({self})")
    }
}

/// Returns the product name and version of the broker at `url`, for example `nats-server 2.9.10`; `None` if it does not send
/// them within `timeout`. It needs no login: the broker's first message has them.
pub async fn broker_version(url: &str, timeout: Duration) -> Option<String> {
    let broker: Broker = url.parse().ok()?;
    let reading = async {
        let mut stream = net::connect(broker.endpoint()).await.ok()?;
        // Nothing but the first line is read, which has a separate bound.
        let (mut decoder, mut inbox) = (Decoder::new(0), BytesMut::new());
        loop {
            match decoder.decode(&mut inbox).ok()? {
                Some(Operation::Info(info)) => return Some(info.version),
                Some(_) => return None,
                None => {}
            }
            if stream.read_buf(&mut inbox).await.ok()? == 0 {
                return None;
            }
        }
    };
    let version = tokio::time::timeout(timeout, reading).await.ok().flatten()?;
    Some(format!("nats-server {}", version.escape_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let broker: Broker = "nats://bob:s%3Acr%40t@h".parse().unwrap();
        let login = broker.login().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("bob", "s:cr@t"));
        assert_eq!(broker.to_string(), "nats://h:4222");
        assert_eq!(format!("{broker:?}"), "Broker(nats://h:4222)");
        assert!("nats://h:1".parse::<Broker>().unwrap().login().is_none());
        for url in ["amqp://h", "nats://u:sec/ret@h", "h:4222", "nats://h:port"] {
            let refused = url.parse::<Broker>().unwrap_err().to_string();
            assert!(!refused.contains("sec"), "{refused}");
        }
    }
}
