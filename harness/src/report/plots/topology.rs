//! Topologies: the number of connections against the number of pairs of a client and a server.

use super::axis::Axis;
use super::canvas::{PlotError, draw};
use super::curves::{self, Curve, LEFT, RIGHT, TOP};
use super::figure::Figure;
use super::rows;
use super::style::Look;
use crate::report::topologies::{Built, StackTopologies, Topologies};

/// Draws the connections of the stacks of `topologies`.
pub(super) fn figure(topologies: &Topologies<'_>, name: String) -> Result<Figure, PlotError> {
    let title = "Connections against N × M, the pairs of N clients and M servers";
    let stacks: Vec<Drawn<'_>> = topologies.stacks.iter().filter_map(Drawn::of).collect();
    let bottom = curves::bottom(stacks.len());
    let points = || stacks.iter().flat_map(|stack| &stack.points);
    let across = Axis::logarithmic(points().map(|point| point.pairs), LEFT, RIGHT);
    let up = Axis::logarithmic(points().map(|point| point.connections), bottom, TOP);
    let alternative = format!("{title}; {}", topologies.conditions());
    let subtitle = topologies.forms().unwrap_or_else(|| topologies.conditions());
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, title, &subtitle);
        curves::vertical_axis(canvas, &up, "number");
        rows::grid(canvas, &across, TOP, bottom, "N × M");
        let at = |point: &Point| (across.at(point.pairs), up.at(point.connections));
        let lines: Vec<_> = stacks
            .iter()
            .map(|stack| Curve {
                name: stack.name,
                look: stack.look,
                points: stack.points.iter().filter(|point| point.is_square).map(at).collect(),
            })
            .collect();
        curves::draw(canvas, &lines, bottom);
        for stack in &stacks {
            stack.points.iter().for_each(|point| canvas.dot(at(point), stack.look));
        }
    })?;
    let caption = "A dot is a topology: the median of the blocks. Lines connect those with as many clients as servers. Above is the \
                   form that gives the number of connections of a stack in every topology, where there is one. Both axes are \
                   logarithmic. Stacks with the same numbers are drawn over each other.";
    Ok(Figure { name, title: alternative, caption: caption.to_owned(), svg })
}

/// A stack as it is drawn.
struct Drawn<'a> {
    name: &'a str,
    look: Look,
    points: Vec<Point>,
}

struct Point {
    pairs: f64,
    connections: f64,
    is_square: bool,
}

impl<'a> Drawn<'a> {
    /// `None` where no connections were counted.
    fn of(stack: &'a StackTopologies<'a>) -> Option<Self> {
        let point = |built: &Built<'_>| {
            let (pairs, connections) = built.point()?;
            Some(Point { pairs, connections, is_square: built.is_square() })
        };
        let points: Vec<_> = stack.built.iter().filter_map(point).collect();
        let look = stack.kind.map_or(Look::neutral(true), Look::of);
        (!points.is_empty()).then_some(Drawn { name: stack.stack, look, points })
    }
}
