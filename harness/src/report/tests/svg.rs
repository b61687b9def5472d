//! Reads drawings back.

use std::collections::BTreeMap;

/// An element of a drawing.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub name: String,
    attributes: BTreeMap<String, String>,
    /// The text behind its tag.
    pub text: String,
}

impl Mark {
    /// The value of an attribute; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The value of an attribute as a number, in pixels.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.get(name).parse::<f64>().unwrap() / 10.0
    }

    /// Whether it has this colour.
    pub(super) fn is(&self, colour: &str) -> bool {
        self.get("fill") == colour || self.get("stroke") == colour
    }

    /// The points of a line in pixels.
    pub(super) fn points(&self) -> Vec<(f64, f64)> {
        let point = |point: &str| {
            let (x, y) = point.split_once(',').unwrap();
            (x.parse::<f64>().unwrap() / 10.0, y.parse::<f64>().unwrap() / 10.0)
        };
        self.get("points").split_whitespace().map(point).collect()
    }
}

/// The elements of `svg` in their order.
pub(super) fn marks(svg: &str) -> Vec<Mark> {
    svg.split('<').skip(1).filter(|element| !element.starts_with('/')).map(mark).collect()
}

fn mark(element: &str) -> Mark {
    let (tag, text) = element.split_once('>').unwrap();
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = BTreeMap::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        attributes.insert(key.trim().to_owned(), value.to_owned());
        rest = after;
    }
    Mark { name: name.to_owned(), attributes, text: text.trim().to_owned() }
}
