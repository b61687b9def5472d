//! Builds a message from the elements and the text of its document.

use std::borrow::Cow;
use std::mem;

use calculator::{Limits, OpenList, OpenMap, Text, Value, ValueBuilder};

use super::error::DecodeError;
use super::scalar::Scalar;
use super::syntax::normalize_line_ends;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    /// `methodCall`
    Call,
    /// `methodResponse`
    Response,
}

/// The content of a document, whatever the kind of its message.
#[derive(Default)]
pub(super) struct Message {
    pub(super) kind: Option<MessageKind>,
    pub(super) method: Option<String>,
    pub(super) params: Option<Vec<Value>>,
    pub(super) fault: Option<Value>,
}

/// An element whose end tag has not been read yet.
enum OpenElement {
    Message(MessageKind),
    MethodName,
    Params,
    Param {
        filled: bool,
    },
    Fault,
    /// Holds the value of its typed child, once that has ended.
    Value(Option<Value>),
    Scalar(Scalar),
    /// `data` has no variant here, since CPython accepts values with or without it.
    Array {
        list: OpenList,
        in_data: bool,
    },
    Struct(OpenMap),
    Member {
        name: Option<Text>,
        value: Option<Value>,
    },
    Name,
}

/// The state of decoding a document. It keeps the open elements on a heap-allocated stack, so that deep nesting cannot
/// overflow the thread's stack.
pub(super) struct MessageBuilder<'a, 'l> {
    limits: &'l Limits,
    message: Message,
    open: Vec<OpenElement>,
    /// The items and members of the open arrays and structs.
    values: ValueBuilder,
    /// The number of open lists and maps.
    depth: usize,
    /// Character data since the last start tag.
    text: Cow<'a, str>,
}

/// The initial capacity of the stack: enough for a message without nested values.
const INITIAL_STACK_CAPACITY: usize = 8;

impl<'a, 'l> MessageBuilder<'a, 'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        MessageBuilder {
            limits,
            message: Message::default(),
            values: ValueBuilder::default(),
            open: Vec::with_capacity(INITIAL_STACK_CAPACITY),
            depth: 0,
            text: Cow::Borrowed(""),
        }
    }

    /// Whether the root element has started.
    pub(super) fn root_seen(&self) -> bool {
        self.message.kind.is_some()
    }

    /// Whether the current position is inside the root element.
    pub(super) fn in_root(&self) -> bool {
        !self.open.is_empty()
    }

    /// The message, once its root element has ended.
    pub(super) fn finish(self) -> Message {
        self.message
    }

    /// Whether character data has a meaning at the current position. Elsewhere it is ignored, as in CPython.
    fn wants_text(&self) -> bool {
        matches!(
            self.open.last(),
            Some(
                OpenElement::Value(None)
                    | OpenElement::Scalar(_)
                    | OpenElement::MethodName
                    | OpenElement::Name
            )
        )
    }

    /// Adds literal text.
    pub(super) fn add_text(&mut self, piece: Cow<'a, str>) {
        if !self.wants_text() {
            return;
        }
        let piece = normalize_line_ends(piece);
        if self.text.is_empty() {
            self.text = piece;
        } else {
            self.text.to_mut().push_str(&piece);
        }
    }

    /// Adds a character that was written as a reference.
    pub(super) fn add_char(&mut self, character: char) {
        if self.wants_text() {
            self.text.to_mut().push(character);
        }
    }

    pub(super) fn start_element(&mut self, tag: &str) -> Result<(), DecodeError> {
        self.text = Cow::Borrowed("");
        let message = &mut self.message;
        let opened = match (self.open.last_mut(), tag) {
            (None, "methodCall" | "methodResponse") if message.kind.is_none() => {
                let kind = if tag == "methodCall" { MessageKind::Call } else { MessageKind::Response };
                message.kind = Some(kind);
                OpenElement::Message(kind)
            }
            (Some(OpenElement::Message(MessageKind::Call)), "methodName") if message.method.is_none() => {
                OpenElement::MethodName
            }
            (Some(OpenElement::Message(_)), "params")
                if message.params.is_none() && message.fault.is_none() =>
            {
                message.params = Some(Vec::new());
                OpenElement::Params
            }
            (Some(OpenElement::Message(MessageKind::Response)), "fault")
                if message.params.is_none() && message.fault.is_none() =>
            {
                OpenElement::Fault
            }
            (Some(OpenElement::Params), "param") => OpenElement::Param { filled: false },
            (
                Some(
                    OpenElement::Param { filled: false }
                    | OpenElement::Array { .. }
                    | OpenElement::Member { value: None, .. },
                ),
                "value",
            ) => OpenElement::Value(None),
            (Some(OpenElement::Fault), "value") if message.fault.is_none() => OpenElement::Value(None),
            (Some(OpenElement::Array { in_data: in_data @ false, .. }), "data") => {
                *in_data = true;
                return Ok(());
            }
            (Some(OpenElement::Struct(_)), "member") => OpenElement::Member { name: None, value: None },
            (Some(OpenElement::Member { name: None, .. }), "name") => OpenElement::Name,
            (Some(OpenElement::Value(None)), tag) => return self.start_typed(tag),
            _ => return Err(unexpected_tag(tag)),
        };
        self.open.push(opened);
        Ok(())
    }

    fn start_typed(&mut self, tag: &str) -> Result<(), DecodeError> {
        let opened = match Scalar::from_tag(tag) {
            Some(scalar) => OpenElement::Scalar(scalar),
            None => {
                let opened = match tag {
                    "array" => OpenElement::Array { list: self.values.open_list(), in_data: false },
                    "struct" => OpenElement::Struct(self.values.open_map()),
                    _ => return Err(unexpected_tag(tag)),
                };
                self.depth += 1;
                if self.depth > self.limits.max_depth {
                    return Err(DecodeError::TooLarge {
                        what: "nested levels",
                        found: self.depth,
                        limit: self.limits.max_depth,
                    });
                }
                opened
            }
        };
        self.open.push(opened);
        Ok(())
    }

    pub(super) fn end_element(&mut self) -> Result<(), DecodeError> {
        if let Some(OpenElement::Array { in_data: in_data @ true, .. }) = self.open.last_mut() {
            *in_data = false;
            return Ok(());
        }
        let text = mem::replace(&mut self.text, Cow::Borrowed(""));
        match self.open.pop() {
            Some(OpenElement::Value(Some(value))) => self.put_value(value),
            Some(OpenElement::Value(None)) => self.put_value(Value::from(&*text)),
            Some(OpenElement::Scalar(scalar)) => self.put_typed(scalar.decode(text)?),
            Some(OpenElement::Array { list, .. }) => {
                self.depth -= 1;
                let value = self.values.close_list(list);
                self.put_typed(value)
            }
            Some(OpenElement::Struct(map)) => {
                self.depth -= 1;
                let value = self.values.close_map(map);
                self.put_typed(value)
            }
            Some(OpenElement::Member { name: Some(name), value: Some(value) }) => {
                match self.open.last_mut() {
                    Some(OpenElement::Struct(_)) => {
                        self.values.push_member(name, value);
                        Ok(())
                    }
                    _ => Err(unexpected_tag("member")),
                }
            }
            Some(OpenElement::Member { .. }) => Err(DecodeError::shape("a member without a name or a value")),
            Some(OpenElement::Name) => match self.open.last_mut() {
                Some(OpenElement::Member { name, .. }) => {
                    *name = Some(Text::from(&*text));
                    Ok(())
                }
                _ => Err(unexpected_tag("name")),
            },
            Some(OpenElement::MethodName) => {
                self.message.method = Some(text.into_owned());
                Ok(())
            }
            Some(OpenElement::Param { filled: false }) => Err(DecodeError::shape("a param without a value")),
            Some(OpenElement::Fault) if self.message.fault.is_none() => {
                Err(DecodeError::shape("a fault without a value"))
            }
            Some(
                OpenElement::Message(_)
                | OpenElement::Params
                | OpenElement::Param { .. }
                | OpenElement::Fault,
            )
            | None => Ok(()),
        }
    }

    /// Gives the value of a typed element to the `value` element around it.
    fn put_typed(&mut self, value: Value) -> Result<(), DecodeError> {
        match self.open.last_mut() {
            Some(OpenElement::Value(child)) => {
                *child = Some(value);
                Ok(())
            }
            _ => Err(unexpected_tag(value.kind())),
        }
    }

    /// Gives the value of a complete `value` element to the element around it.
    fn put_value(&mut self, value: Value) -> Result<(), DecodeError> {
        match self.open.last_mut() {
            Some(OpenElement::Param { filled }) => {
                *filled = true;
                self.message.params.get_or_insert_default().push(value);
            }
            Some(OpenElement::Array { .. }) => self.values.push_item(value),
            Some(OpenElement::Member { value: member, .. }) => *member = Some(value),
            Some(OpenElement::Fault) => self.message.fault = Some(value),
            _ => return Err(unexpected_tag("value")),
        }
        Ok(())
    }
}

fn unexpected_tag(tag: &str) -> DecodeError {
    let known = Scalar::from_tag(tag).is_some()
        || matches!(
            tag,
            "methodCall"
                | "methodResponse"
                | "methodName"
                | "params"
                | "param"
                | "value"
                | "fault"
                | "array"
                | "data"
                | "struct"
                | "member"
                | "name"
        );
    let what = if known { "misplaced" } else { "unknown" };
    let tag: String = tag.chars().take(40).collect();
    DecodeError::Shape(format!("{what} tag '{tag}'"))
}
