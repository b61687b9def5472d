//! The knee of a curve of response time against load.

/// The position of the knee in `points`, the load and the response time at each, in ascending order of the load: the point with
/// the greatest *power*, load ÷ response time (L. Kleinrock, "Power and Deterministic Rules of Thumb for Probabilistic Problems in
/// Computer Communications", ICC 1979). Below it, more load costs little time; above it, the response time grows faster than the
/// load. `None` if the power still grows at the last point, so that the knee is not among the points.
#[must_use]
pub fn knee(points: &[(f64, f64)]) -> Option<usize> {
    let power = |(load, time): (f64, f64)| if time > 0.0 { load / time } else { 0.0 };
    let best = (0..points.len()).max_by(|a, b| power(points[*a]).total_cmp(&power(points[*b])))?;
    (best + 1 < points.len()).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_of_a_single_server_queue_is_at_half_of_its_capacity() {
        // M/M/1 with a capacity of 1: the response time is 1 / (1 - load), so the power load * (1 - load).
        let points: Vec<_> =
            (1..10).map(|tenth| f64::from(tenth) / 10.0).map(|load| (load, 1.0 / (1.0 - load))).collect();
        assert_eq!(knee(&points), Some(4));
        assert!((points[4].0 - 0.5).abs() < 1e-12);
        // The same curve, cut off before its knee.
        assert_eq!(knee(&points[..4]), None);
        assert_eq!(knee(&points[..5]), None);
    }

    #[test]
    fn a_flat_or_an_empty_curve_has_no_knee() {
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 5.0), (4.0, 5.0)]), None);
        assert_eq!(knee(&[]), None);
        assert_eq!(knee(&[(1.0, 0.0)]), None);
    }
}
