//! Areas, and where their places are in a sorted set.

use std::f64::consts::PI;
use std::ops::Range;

use smallvec::SmallVec;

use super::grid::{Cell, STEPS_MAX};
use super::place::{
    EARTH_RADIUS_M, LAT_MAX, LAT_MIN, LON_MAX, LON_MIN, Place, degrees, lat_distance_m, radians,
};

/// Half of the equator as maps of the Mercator projection have it.
const MERCATOR_MAX: f64 = 20037726.37;

/// What an area is measured in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    pub metres: f64,
}

impl Unit {
    pub const METRE: Unit = Unit { metres: 1.0 };

    /// The unit of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Unit> {
        const UNITS: [(&[u8], f64); 4] = [
            (b"m", 1.0),
            (b"km", 1000.0),
            (b"ft", 0.3048),
            (b"mi", 1609.34),
        ];
        let found = UNITS
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|&(_, metres)| Unit { metres })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Circle {
        radius: f64,
    },
    Box {
        width: f64,
        height: f64,
    },
    /// Three corners at least.
    Polygon(Vec<Place>),
}

/// Where to look for members.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    center: Place,
    shape: Shape,
    pub unit: Unit,
    /// Of a circle that is not half of the earth.
    reach: Option<Reach>,
}

/// West and south, east and north.
struct Bounds {
    min: Place,
    max: Place,
}

impl Area {
    /// A circle or a box, measured in a unit, around a place.
    pub fn around(center: Place, shape: Shape, unit: Unit) -> Area {
        let reach = match &shape {
            Shape::Circle { radius } => Reach::new(center, radius * unit.metres),
            Shape::Box { .. } | Shape::Polygon(_) => None,
        };
        Area {
            center,
            shape,
            unit,
            reach,
        }
    }

    /// A polygon of three corners at least.
    pub fn polygon(corners: Vec<Place>) -> Area {
        Area {
            center: middle_of(&corners),
            shape: Shape::Polygon(corners),
            unit: Unit::METRE,
            reach: None,
        }
    }

    /// The distance from the center in metres, if the place is in the area.
    pub fn distance_m(&self, place: Place) -> Option<f64> {
        if self.reach.is_some_and(|reach| reach.is_beyond(place)) {
            return None;
        }
        let is_inside = match &self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance_m(place);
                return (distance <= radius * self.unit.metres).then_some(distance);
            }
            Shape::Box { width, height } => {
                let (width_m, height_m) = (width * self.unit.metres, height * self.unit.metres);
                let same_lat = Place {
                    lat: place.lat,
                    ..self.center
                };
                lat_distance_m(place.lat, self.center.lat) <= height_m / 2.0
                    && place.distance_m(same_lat) <= width_m / 2.0
            }
            Shape::Polygon(corners) => is_in_polygon(place, corners),
        };
        is_inside.then(|| self.center.distance_m(place))
    }

    fn bounds(&self) -> Bounds {
        let unit = self.unit.metres;
        let (width_m, height_m) = match &self.shape {
            Shape::Circle { radius } => (unit * radius, unit * radius),
            Shape::Box { width, height } => (unit * width / 2.0, unit * height / 2.0),
            Shape::Polygon(corners) => return bounds_of(corners),
        };
        let Place { lon, lat } = self.center;
        let lat_delta = degrees(height_m / EARTH_RADIUS_M);
        let lon_delta_at = |lat: f64| degrees(width_m / EARTH_RADIUS_M / radians(lat).cos());
        // The wider edge of the area is the one that is nearer to the pole.
        let lon_delta = match lat < 0.0 {
            true => lon_delta_at(lat - lat_delta),
            false => lon_delta_at(lat + lat_delta),
        };
        let place = |lon, lat| Place { lon, lat };
        Bounds {
            min: place(lon - lon_delta, lat - lat_delta),
            max: place(lon + lon_delta, lat + lat_delta),
        }
    }

    /// The ranges of scores in which all places of the area are, each up to its end. Other
    /// places are there too.
    pub fn scores(&self) -> SmallVec<[Range<f64>; 9]> {
        let bounds = self.bounds();
        let mut steps = steps_for(self.radius_m(&bounds), self.center.lat);
        let mut cell = Cell::of(self.center, steps);
        if steps > 1 && !covers(cell, &bounds) {
            steps -= 1;
            cell = Cell::of(self.center, steps);
        }
        let (south_west, north_east) = cell.corners();
        // A neighbour on a side where the cell itself goes beyond the area is not needed.
        let is_needed = |east: i32, north: i32| {
            steps < 2
                || !(north < 0 && south_west.lat < bounds.min.lat
                    || north > 0 && north_east.lat > bounds.max.lat
                    || east < 0 && south_west.lon < bounds.min.lon
                    || east > 0 && north_east.lon > bounds.max.lon)
        };
        const AROUND: [(i32, i32); 9] = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let mut found = SmallVec::new();
        let mut last = None;
        for (east, north) in AROUND.into_iter().filter(|&(e, n)| is_needed(e, n)) {
            let neighbour = cell.beside(east, north);
            // In a grid of few cells the neighbours on both sides are the same.
            if last != Some(neighbour) {
                found.push(neighbour.scores());
            }
            last = ((east, north) != (0, 0)).then_some(neighbour);
        }
        found
    }

    /// How far from the center the area goes, in metres.
    fn radius_m(&self, bounds: &Bounds) -> f64 {
        let radius = match &self.shape {
            Shape::Circle { radius } => *radius,
            Shape::Box { width, height } => {
                let square = |side: f64| (side / 2.0) * (side / 2.0);
                (square(*width) + square(*height)).sqrt()
            }
            Shape::Polygon(_) => {
                let corner = |lon, lat| self.center.distance_m(Place { lon, lat });
                [bounds.max.lat, bounds.min.lat]
                    .into_iter()
                    .flat_map(|lat| [corner(bounds.min.lon, lat), corner(bounds.max.lon, lat)])
                    .fold(0.0, f64::max)
            }
        };
        radius * self.unit.metres
    }
}

/// How far a circle goes, to sort out most of the places beyond it without a sine of theirs.
/// What is near its edge has to be measured.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reach {
    center: Place,
    /// Radians.
    angle: f64,
    /// The square of the sine of half of it.
    limit: f64,
    /// Not more than the product of the cosines of the center's latitude and of any within.
    cosines: f64,
}

impl Reach {
    fn new(center: Place, radius_m: f64) -> Option<Reach> {
        // Wider by more than what all rounding comes to.
        let angle = radius_m / EARTH_RADIUS_M * (1.0 + 1e-9) + 1e-12;
        let lat = radians(center.lat);
        let cosine_min = (lat.abs() + angle).min(PI / 2.0).cos() - 1e-15;
        (angle < PI / 2.0).then(|| Reach {
            center,
            angle,
            limit: (angle / 2.0).sin().powi(2),
            cosines: lat.cos() * cosine_min.max(0.0),
        })
    }

    fn is_beyond(&self, place: Place) -> bool {
        let north = radians((place.lat - self.center.lat).abs());
        let east = radians((place.lon - self.center.lon).abs());
        // Not above the sine, from 0 to a half turn.
        let sine = |x: f64| x * (1.0 - x * x / 6.0).max(0.0);
        let (u, v) = (sine(north / 2.0), sine(east / 2.0));
        north > self.angle || u * u + self.cosines * v * v > self.limit
    }
}

/// Whether a cell and those around it reach as far as the area does.
fn covers(cell: Cell, bounds: &Bounds) -> bool {
    let (north, south) = (cell.beside(0, 1), cell.beside(0, -1));
    let (east, west) = (cell.beside(1, 0), cell.beside(-1, 0));
    north.corners().1.lat >= bounds.max.lat
        && south.corners().0.lat <= bounds.min.lat
        && east.corners().1.lon >= bounds.max.lon
        && west.corners().0.lon <= bounds.min.lon
}

/// How fine a grid may be so that three cells reach as far as this, both ways.
fn steps_for(radius_m: f64, lat: f64) -> u32 {
    if radius_m == 0.0 {
        return STEPS_MAX;
    }
    let (mut reach, mut steps) = (radius_m, 1i32);
    while reach < MERCATOR_MAX {
        reach *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Towards the poles cells become narrow.
    steps -= i32::from(lat.abs() > 66.0) + i32::from(lat.abs() > 80.0);
    steps.clamp(1, STEPS_MAX as i32) as u32
}

fn bounds_of(corners: &[Place]) -> Bounds {
    let place = |lon, lat| Place { lon, lat };
    let none = Bounds {
        min: place(LON_MAX, LAT_MAX),
        max: place(LON_MIN, LAT_MIN),
    };
    corners.iter().fold(none, |bounds, corner| Bounds {
        min: place(
            bounds.min.lon.min(corner.lon),
            bounds.min.lat.min(corner.lat),
        ),
        max: place(
            bounds.max.lon.max(corner.lon),
            bounds.max.lat.max(corner.lat),
        ),
    })
}

/// The place above the middle of the corners, which is inside of the earth.
fn middle_of(corners: &[Place]) -> Place {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (lon, lat) = (radians(corner.lon), radians(corner.lat));
        x += lat.cos() * lon.cos();
        y += lat.cos() * lon.sin();
        z += lat.sin();
    }
    Place {
        lon: degrees(f64::atan2(y, x)),
        lat: degrees(f64::atan2(z, (x * x + y * y).sqrt())),
    }
}

/// Whether a ray from the place to the east crosses the edges an odd number of times.
fn is_in_polygon(place: Place, corners: &[Place]) -> bool {
    let others = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let crosses = |&(a, b): &(&Place, &Place)| {
        (a.lat > place.lat) != (b.lat > place.lat)
            && place.lon < (b.lon - a.lon) * (place.lat - a.lat) / (b.lat - a.lat) + a.lon
    };
    corners.iter().zip(others).filter(crosses).count() % 2 == 1
}
