//! Places, distances and areas.

use super::grid::Cell;
use super::place::{EARTH_RADIUS_M, LAT_MAX, LAT_MIN, LON_MAX, LON_MIN, degrees};
use super::{Area, Place, Shape, Unit, truncated};
use crate::base::rng::Rng;

const PALERMO: Place = Place {
    lon: 13.361389,
    lat: 38.115556,
};
const CATANIA: Place = Place {
    lon: 15.087269,
    lat: 37.502669,
};

fn random_place(rng: &mut Rng) -> Place {
    let mut part = || rng.below(1 << 53) as f64 / (1u64 << 53) as f64;
    Place {
        lon: LON_MIN + part() * (LON_MAX - LON_MIN),
        lat: LAT_MIN + part() * (LAT_MAX - LAT_MIN),
    }
}

#[test]
fn as_in_redis() {
    assert_eq!(PALERMO.score(), 3479099956230698);
    assert_eq!(CATANIA.score(), 3479447370796909);
    let (palermo, catania) = (Place::of_score(3479099956230698.0), CATANIA);
    assert_eq!(palermo.lon, 13.361389338970184);
    assert_eq!(palermo.lat, 38.1155563954963);
    assert_eq!(&palermo.letters(), b"sqc8b49rny0");
    let catania = Place::of_score(catania.score() as f64);
    assert_eq!(palermo.distance_m(catania), 166274.15156960033);
}

#[test]
fn scores_that_are_no_places() {
    let lowest = Place::of_score(0.0);
    assert_eq!(lowest.lon, -179.99999731779099);
    for score in [f64::INFINITY, 1e300] {
        assert_eq!(Place::of_score(score), lowest);
    }
    assert_eq!(Place::of_score((1u64 << 53) as f64).lon, 180.0);
    assert_eq!(Place::of_score(-5.0).lat, LAT_MAX);
    assert_eq!(Place::of_score(f64::NEG_INFINITY).lon, 180.0);
    assert_eq!((truncated(-1.5), truncated(1e19)), (-1, i64::MIN));
}

#[test]
fn a_score_gives_the_place_back() {
    let mut rng = Rng::seeded(1);
    for _ in 0..10_000 {
        let place = random_place(&mut rng);
        assert!(place.is_valid());
        let score = place.score();
        assert!(score < 1 << 52);
        let again = Place::of_score(score as f64);
        assert!(place.distance_m(again) < 0.6, "{place:?}");
        assert_eq!(again.score(), score);
    }
}

#[test]
fn neighbours() {
    let cell = Cell::of(PALERMO, 10);
    let (south_west, north_east) = cell.corners();
    let east = cell.beside(1, 0).corners();
    assert_eq!((east.0.lon, east.0.lat), (north_east.lon, south_west.lat));
    let north_west = cell.beside(-1, 1);
    assert_eq!(north_west.beside(1, -1), cell);
    let edge = Cell::of(
        Place {
            lon: 179.9,
            lat: 0.0,
        },
        10,
    );
    assert_eq!(edge.beside(1, 0).corners().0.lon, LON_MIN);
}

/// Every place of an area is in one of its ranges, but where it goes over the edge of
/// the map or to the poles.
#[test]
fn areas_are_covered() {
    let mut rng = Rng::seeded(2);
    for round in 0..300 {
        let center = Place {
            lon: random_place(&mut rng).lon / 2.0,
            lat: random_place(&mut rng).lat / 2.0,
        };
        let size = 10f64.powf(1.0 + rng.below(500) as f64 / 100.0);
        let area = match round % 3 {
            0 => Area::around(center, Shape::Circle { radius: size }, Unit::METRE),
            1 => {
                let (width, height) = (size, size * 0.3);
                Area::around(center, Shape::Box { width, height }, Unit::METRE)
            }
            _ => {
                let side = degrees(size / EARTH_RADIUS_M);
                let corner = |x: f64, y: f64| Place {
                    lon: center.lon + x * side,
                    lat: center.lat + y * side,
                };
                Area::polygon(vec![
                    corner(0.0, 1.0),
                    corner(1.0, -1.0),
                    corner(-1.0, -1.0),
                ])
            }
        };
        let ranges = area.scores();
        let side = degrees(size / EARTH_RADIUS_M) * 1.5;
        let mut inside = 0;
        for _ in 0..300 {
            let mut part = || rng.below(2001) as f64 / 1000.0 - 1.0;
            let place = Place {
                lon: center.lon + part() * side,
                lat: center.lat + part() * side,
            };
            let score = place.score() as f64;
            let place = Place::of_score(score);
            if area.distance_m(place).is_some() {
                inside += 1;
                assert!(
                    ranges.iter().any(|range| range.contains(&score)),
                    "{area:?} {place:?}"
                );
            }
        }
        assert!(inside > 0, "{area:?}");
    }
}

#[test]
fn inside_of_a_polygon() {
    let place = |lon, lat| Place { lon, lat };
    let corners = vec![place(10.0, 35.0), place(20.0, 35.0), place(15.0, 40.0)];
    let area = Area::polygon(corners);
    assert!(area.distance_m(place(15.0, 36.0)).is_some());
    assert!(area.distance_m(place(10.0, 39.0)).is_none());
    assert!(area.distance_m(place(15.0, 34.0)).is_none());
}

#[test]
fn units() {
    assert_eq!(Unit::named(b"KM"), Some(Unit { metres: 1000.0 }));
    assert_eq!(Unit::named(b"miles"), None);
}

#[test]
fn a_circle_has_the_places_that_are_near_enough_and_no_others() {
    let mut rng = Rng::seeded(6);
    let mut near = 0;
    for round in 0..100_000 {
        let center = random_place(&mut rng);
        // From a centimetre to more than half of the earth.
        let far_m = 10f64.powf(rng.below(95) as f64 / 10.0 - 2.0);
        let part = (rng.below(4001) as f64 - 2000.0) / 1000.0;
        let place = match round % 4 {
            0 => random_place(&mut rng),
            _ => Place {
                lon: center.lon + part * degrees(far_m / EARTH_RADIUS_M),
                lat: center.lat + (2.0 - part) * degrees(far_m / EARTH_RADIUS_M),
            },
        };
        if !place.is_valid() {
            continue;
        }
        let distance = center.distance_m(place);
        // Right at the edge too.
        for radius in [far_m, distance, distance * (1.0 - 1e-15), distance + 1e-9] {
            let circle = Area::around(center, Shape::Circle { radius }, Unit::METRE);
            let expected = (distance <= radius).then_some(distance);
            assert_eq!(
                circle.distance_m(place),
                expected,
                "{center:?} {place:?} {radius}"
            );
            near += usize::from(expected.is_some());
        }
    }
    assert!(near > 50_000);
}
