//! `rpcbench init`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use calculator::{CallError, printable};
use net::Address;
use serde::Deserialize;

use super::protocol_options::{OfClients, ProtocolOptions};
use super::{Exit, Failure, Outcome, print, print_error, runtime};
use crate::discovery::{Contents, Listing, MAX_OPERATIONS, Template};
use crate::load::{OwnOperation, OwnOperations};
use crate::stacks::{Destination, PROTOCOLS, ProtocolRef, Stack, revealed};

/// Ask a server which methods it has, and write a scenario that measures them
///
/// XML-RPC servers are asked by system.listMethods and methodSignature, JSON-RPC servers by rpc.discover (OpenRPC) or
/// system.listMethods, zerorpc servers by _zerorpc_inspect, REST servers for their OpenAPI document, gRPC servers by server
/// reflection. Servers of AMQP and NATS cannot list methods: name them with --method. Arguments are the examples that the
/// server gives, or guesses by their type. Methods that seem to change data are commented out.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench init http://127.0.0.1:8000/                        # finds out whether it is REST, XML-RPC or JSON-RPC
  rpcbench init http://127.0.0.1:8000/api/openapi.json        # the OpenAPI document itself
  rpcbench init tcp://127.0.0.1:4242 --output orders.toml
  rpcbench init https://127.0.0.1:8443/ --protocol jsonrpc --cacert ca.pem --output -
  rpcbench init amqp://guest:guest@localhost/ --topic orders --method get_order --method total")]
pub(super) struct Arguments {
    /// The URL of the server, or of the broker for AMQP and NATS; @FILE reads it from a file, env:NAME from an environment
    /// variable, - from standard input, so that a password in it does not show in the list of processes
    url: String,
    /// The protocol. By default that of the URL's scheme; for http and https, the first of rest, xmlrpc and jsonrpc in which
    /// the server lists its methods
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// The scenario to write; - for standard output
    #[arg(long, value_name = "FILE", default_value = "my.toml")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Write only this method (repeatable). Where servers cannot be asked, these are the methods
    #[arg(long = "method", value_name = "NAME")]
    methods: Vec<String>,
    /// How long each answer may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = calculator::parse_duration_above_zero)]
    timeout: Duration,
    #[command(flatten)]
    client: ProtocolOptions<OfClients>,
}

/// A server that has been asked.
struct Found {
    stack: &'static Stack,
    /// `None` where servers of the protocol cannot be asked.
    listing: Option<Listing>,
}

pub(super) fn init(arguments: &Arguments) -> Outcome {
    let url = revealed(&arguments.url).map_err(Failure::usage)?;
    if !arguments.force && !is_standard_output(&arguments.output) && arguments.output.exists() {
        return Err(exists(&arguments.output));
    }
    let found = match &arguments.protocol {
        Some(name) => {
            let protocol = ProtocolRef::named(name).map_err(Failure::usage)?;
            only_in(Stack::named(protocol.name()).map_err(Failure::usage)?, arguments, &url)?
        }
        None => find(arguments, &url)?,
    };
    if found.listing.as_ref().is_some_and(|listing| listing.methods.is_empty()) {
        let message = format!("{}: {} lists no method", found.stack.name, net::redacted(&url));
        return Err(Failure::new(Exit::No, message));
    }
    write(arguments, &url, &found)
}

/// Asks the server in each protocol that has URLs of this scheme, until it lists its methods.
fn find(arguments: &Arguments, url: &str) -> Result<Found, Failure> {
    let names = PROTOCOLS.iter().filter(|protocol| !protocol.is_floor()).map(|protocol| protocol.name());
    let stacks = names.map(|name| Stack::named(name).map_err(Failure::usage));
    let stacks: Vec<_> = stacks.collect::<Result<_, _>>()?;
    let candidates: Vec<_> = stacks.iter().copied().filter(|stack| takes_scheme(stack, url)).collect();
    let Some(first) = candidates.first() else {
        let mut examples: Vec<_> =
            stacks.iter().filter_map(|stack| Some(stack.protocol.url_form()?.example)).collect();
        examples.dedup();
        return Err(Failure::usage(format!(
            "no protocol takes a URL with this scheme; expected one such as {}",
            examples.join(", ")
        )));
    };
    if let [only] = *candidates.as_slice() {
        return only_in(only, arguments, url);
    }
    first.parse_url(url).map_err(Failure::usage)?;
    let mut failures = Vec::new();
    for stack in candidates {
        let answer = match arguments.client.destination(stack, url) {
            Ok(destination) => ask(stack, &destination, arguments.timeout)?,
            Err(unusable) => {
                failures.push((stack.name, unusable.message, false));
                continue;
            }
        };
        match answer {
            Ok(Some(listing)) if !listing.methods.is_empty() => {
                return Ok(Found { stack, listing: Some(listing) });
            }
            // Servers of this protocol cannot be asked.
            Ok(None) => {}
            Ok(Some(_)) => failures.push((stack.name, "it lists no method".to_owned(), false)),
            Err(error) => failures.push((stack.name, error.to_string(), error.kind.is_transport())),
        }
    }
    let address = net::redacted(url);
    if let Some((_, message, _)) =
        failures.first().filter(|_| failures.iter().all(|(.., unreachable)| *unreachable))
    {
        return Err(Failure::could_not_run(format!("no answer from {address}: {message}")));
    }
    let reasons: Vec<_> =
        failures.iter().map(|(stack, message, _)| format!("  {stack}: {message}")).collect();
    Err(Failure::new(
        Exit::No,
        format!(
            "{address} lists its methods in none of the protocols that were tried:\n{}\nGive the path of the API in the URL, \
             or the protocol with --protocol",
            reasons.join("\n")
        ),
    ))
}

/// Asks the server by the client of `stack` alone.
fn only_in(stack: &'static Stack, arguments: &Arguments, url: &str) -> Result<Found, Failure> {
    let destination = arguments.client.destination(stack, url)?;
    let listing = ask(stack, &destination, arguments.timeout)?;
    Ok(Found { stack, listing: listing.map_err(|error| refused(stack, url, &error))? })
}

/// Whether URLs of `stack` can have the scheme of `url`.
fn takes_scheme(stack: &Stack, url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let form = stack.protocol.url_form();
    form.is_some_and(|form| form.schemes.iter().any(|known| known.name().eq_ignore_ascii_case(scheme)))
}

/// What the server lists. The inner error is that of the server or of the connection.
fn ask(
    stack: &'static Stack,
    destination: &Destination,
    timeout: Duration,
) -> Result<Result<Option<Listing>, CallError>, Failure> {
    let listed = runtime()?.block_on(stack.protocol.get().list_methods(stack, destination, timeout));
    Ok(listed.map(|listing| listing.map(Listing::without_built_in)))
}

fn refused(stack: &Stack, url: &str, error: &CallError) -> Failure {
    let address = net::redacted(url);
    if error.kind.is_transport() {
        return Failure::could_not_run(format!("{}: no answer from {address}: {error}", stack.name));
    }
    Failure::new(Exit::No, format!("{}: {address} does not list its methods: {error}", stack.name))
}

fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn exists(path: &Path) -> Failure {
    let shown = printable(&path.display().to_string()).into_owned();
    Failure::usage(format!("{shown} exists; --force replaces it, and --output FILE writes another file"))
}

fn write(arguments: &Arguments, url: &str, found: &Found) -> Outcome {
    let is_printed = is_standard_output(&arguments.output);
    let file = if is_printed { Path::new("my.toml") } else { &arguments.output };
    let target = target_of(found.stack, url);
    let options: String = arguments.client.given().map(|option| format!(" {option} …")).collect();
    let command = format!("rpcbench run {} --target {}={target}{options}", file.display(), found.stack.name);
    let template = Template {
        name: &scenario_name(file),
        stack: found.stack.name,
        url: &target,
        command: &command,
        wanted: &arguments.methods,
        mistake_in,
    };
    let contents = template.with(found.listing.as_ref());
    if !contents.missing.is_empty() {
        let message = format!("the server lists no method {}", contents.missing.join(", "));
        return Err(Failure::usage(message));
    }
    if is_printed {
        print(&contents.text)?;
        print_error(&summary("standard output", found, &contents));
    } else {
        save(&arguments.output, arguments.force, &contents.text)?;
        let summary = summary(&arguments.output.display().to_string(), found, &contents);
        print(&format!("{summary}\nEdit it, then: {command}\n"))?;
    }
    Ok(Exit::Done)
}

/// Why the operation in `text`, an `[[operation]]` table, cannot be used in a scenario; `None` if it can.
fn mistake_in(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        operation: Vec<OwnOperation>,
    }
    match toml::from_str::<Document>(text) {
        Ok(document) => OwnOperations::new(&document.operation, Path::new(""), |_| String::new())
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.message().to_owned()),
    }
}

/// Creates the file; one that exists, also since it was looked for, is replaced only by `force`.
fn save(path: &Path, force: bool, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !force {
        options.create_new(true);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => {
            let shown = printable(&path.display().to_string()).into_owned();
            Failure::could_not_run(format!("cannot write {shown}: {error}"))
        }
    })
}

fn summary(file: &str, found: &Found, contents: &Contents) -> String {
    let (stack, active) = (found.stack.name, contents.active);
    let mut text = match &found.listing {
        Some(listing) => format!("{file}: {active} operations of {stack}, listed by {}", listing.source),
        None => {
            format!(
                "{file}: {active} operations of {stack}, whose servers cannot list their methods (--method names one)"
            )
        }
    };
    if contents.commented_out > 0 {
        text.push_str(&format!("; {} more are commented out", contents.commented_out));
    }
    if contents.left_out > 0 {
        text.push_str(&format!(
            "; {} are left out, since {MAX_OPERATIONS} are written at most",
            contents.left_out
        ));
    }
    text
}

/// The URL of `run --target`, without credentials and query. Paths of REST's operations begin at the root of the server.
fn target_of(stack: &Stack, url: &str) -> String {
    let schemes = stack.protocol.url_form().map_or(&[][..], |form| form.schemes);
    let Ok(address) = Address::parse(url, schemes) else { return net::redacted(url) };
    if stack.name == "rest" { net::redacted(url) + "/" } else { address.public() }
}

/// A name for the scenario in `file`, which becomes part of the name of a folder.
fn scenario_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = stem.chars().filter(|c| is_plain(*c)).collect();
    if name.is_empty() { "my".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{HttpRequest, MethodDescription};

    #[test]
    fn the_target_has_no_credentials_and_rest_no_path() {
        let of = |stack: &str, url: &str| target_of(Stack::named(stack).unwrap(), url);
        assert_eq!(of("xmlrpc", "http://u:secret@h:1/RPC2?token=secret"), "http://h:1/RPC2");
        assert_eq!(of("rest", "https://u:secret@h:1/api/openapi.json"), "https://h:1/");
        assert_eq!(of("amqp", "amqp://u:secret@h/v"), "amqp://h:5672/v");
    }

    #[test]
    fn what_a_scenario_cannot_have_is_commented_out_with_the_reason() {
        let described = |verb: &str, path: &str, header: &str| MethodDescription {
            request: Some(HttpRequest {
                verb: verb.to_owned(),
                path: path.to_owned(),
                headers: [(header.to_owned(), "x".to_owned())].into(),
                ..HttpRequest::default()
            }),
            ..MethodDescription::named(format!("{verb} {path} {header}"), "")
        };
        let unusable = [
            ("HEAD", "/", "x-tag", "unknown variant `HEAD`"),
            ("OPTIONS", "/", "x-tag", "unknown variant `OPTIONS`"),
            ("GET", "/items#detail", "x-tag", "is not a path"),
            ("GET", "/a b", "x-tag", "is not a path"),
            ("GET", "/ü", "x-tag", "is not a path"),
            ("GET", "/", "x tag", "is not the name of a header"),
            ("GET", "/", "content-length", "the client sets the header"),
            ("DELETE", "/a b", "x-tag", "is not a path"),
        ];
        let mut methods: Vec<_> =
            unusable.iter().map(|(verb, path, header, _)| described(verb, path, header)).collect();
        methods.push(described("GET", "/items", "x-tag"));
        let template = Template { name: "my", stack: "rest", url: "", command: "", wanted: &[], mistake_in };
        let contents = template.with(Some(&Listing { source: String::new(), methods }));
        assert_eq!((contents.active, contents.commented_out), (1, unusable.len()), "{}", contents.text);
        for (.., reason) in unusable {
            let line = |line: &str| line.starts_with("# It cannot be called: ") && line.contains(reason);
            assert!(contents.text.lines().any(line), "{reason}: {}", contents.text);
        }
        let mut tables: toml::Table = contents.text.parse().unwrap();
        let operations =
            toml::Table::from_iter([("operation".to_owned(), tables.remove("operation").unwrap())]);
        assert_eq!(mistake_in(&operations.to_string()), None);
    }

    #[test]
    fn a_scenario_is_named_after_its_file() {
        for (file, name) in [("my.toml", "my"), ("a/b c.toml", "bc"), ("/", "my"), ("ä.toml", "my")] {
            assert_eq!(scenario_name(Path::new(file)), name);
        }
    }
}
