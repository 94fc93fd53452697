//! The mark of the app, drawn for a tray: the outlines of ui/public/flame.svg, filled here, so that no library for pictures is
//! needed and every state is told by shape as well as by colour.

use std::sync::LazyLock;

/// How everything stands, as a picture tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Picture {
    /// The flame burns.
    Well,
    /// Only the pilot light within burns: something waits, and goes on by itself.
    Waiting,
    /// The flame, with a mark: a person has to do something.
    Asking,
}

/// One size of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Pixels {
    pub(crate) side: u16,
    /// Alpha, red, green, blue of each pixel, row by row, as the tray's protocol wants them.
    pub(crate) argb: Vec<u8>,
}

/// What trays ask for at one and at two pixels a point: a picture that the panel has to make smaller is blurred.
const SIDES: [u16; 6] = [16, 22, 24, 32, 48, 64];
/// Each pixel is looked at in so many places across and down.
const FINENESS: u16 = 4;
/// The side of the square that the outlines are drawn in.
const SQUARE: f32 = 24.0;

type Point = (f32, f32);
/// Two control points and the end, all relative to where the curve begins.
type Curve = [Point; 3];

/// `kappa`: how long a control point's arm is, for a quarter of an ellipse with half-axes of one.
const ARM: f32 = 0.552_285;

/// The flame; its belly, half an ellipse, is drawn as two curves.
const OUTER: (Point, [Curve; 6]) = (
    (12.6, 1.8),
    [
        [(0.5, 3.9), (6.3, 6.6), (6.3, 12.6)],
        [(0.0, 7.6 * ARM), (-6.9 + 6.9 * ARM, 7.6), (-6.9, 7.6)],
        [(-6.9 * ARM, 0.0), (-6.9, -7.6 + 7.6 * ARM), (-6.9, -7.6)],
        [(0.0, -2.9), (1.4, -5.0), (3.0, -6.7)],
        [(0.3, 1.7), (0.9, 2.9), (1.9, 3.6)],
        [(-0.3, -3.8), (0.6, -7.2), (2.6, -9.5)],
    ],
);
/// The pilot light within it.
const INNER: (Point, [Curve; 4]) = (
    (12.2, 12.4),
    [
        [(0.3, 1.7), (2.6, 2.7), (2.6, 5.1)],
        [(0.0, 3.0 * ARM), (-2.8 + 2.8 * ARM, 3.0), (-2.8, 3.0)],
        [(-2.8 * ARM, 0.0), (-2.8, -3.0 + 3.0 * ARM), (-2.8, -3.0)],
        [(0.0, -2.2), (2.0, -3.0), (3.0, -5.1)],
    ],
);

/// The mark of a person's turn: a disc below on the right, with a rim that parts it from the flame.
const DISC: (Point, f32, f32) = ((17.5, 17.5), 5.8, 6.8);

/// Nobody tells a program whether its panel is light or dark, so these three are seen on both. The app's own amber is not
/// dark enough for a white panel, nor its red light enough for a dark one.
const FLAME: [u8; 3] = [0xd9, 0x7f, 0x06];
const UNLIT: [u8; 3] = [0x8c, 0x8b, 0x85];
const MARK: [u8; 3] = [0xe8, 0x40, 0x2f];
const CORE: [u8; 3] = [0xff, 0xe3, 0xad];
const WHITE: [u8; 3] = [0xff; 3];

/// The picture in every size, drawn once.
pub(crate) fn drawn(picture: Picture) -> &'static [Pixels] {
    static WELL: LazyLock<Vec<Pixels>> = LazyLock::new(|| draw(Picture::Well));
    static WAITING: LazyLock<Vec<Pixels>> = LazyLock::new(|| draw(Picture::Waiting));
    static ASKING: LazyLock<Vec<Pixels>> = LazyLock::new(|| draw(Picture::Asking));
    match picture {
        Picture::Well => &WELL,
        Picture::Waiting => &WAITING,
        Picture::Asking => &ASKING,
    }
}

fn draw(picture: Picture) -> Vec<Pixels> {
    let outlines = Outlines { outer: outline(OUTER.0, &OUTER.1), inner: outline(INNER.0, &INNER.1) };
    SIDES.map(|side| Pixels { side, argb: fill(&outlines, picture, side) }).into()
}

/// The outlines as polygons.
struct Outlines {
    outer: Vec<Point>,
    inner: Vec<Point>,
}

impl Outlines {
    /// The colour at a place; none where the picture is clear.
    fn colour(&self, picture: Picture, at: Point) -> Option<[u8; 3]> {
        let (centre, disc, rim) = DISC;
        let away = (at.0 - centre.0).hypot(at.1 - centre.1);
        if picture == Picture::Asking && away < rim {
            let stroke = (at.0 - centre.0).abs() < 0.9;
            let (bar, dot) = ((-3.6..0.9).contains(&(at.1 - centre.1)), (2.0..3.8).contains(&(at.1 - centre.1)));
            return (away < disc).then_some(if stroke && (bar || dot) { WHITE } else { MARK });
        }
        if is_within(&self.inner, at) {
            return Some(if picture == Picture::Waiting { FLAME } else { CORE });
        }
        is_within(&self.outer, at).then_some(if picture == Picture::Waiting { UNLIT } else { FLAME })
    }
}

fn outline<const N: usize>(begin: Point, curves: &[Curve; N]) -> Vec<Point> {
    const STEPS: u8 = 6;
    let (mut points, mut from) = (vec![], begin);
    for [first, second, end] in curves {
        for step in 0..STEPS {
            let t = f32::from(step) / f32::from(STEPS);
            let (a, b, c) = (3.0 * t * (1.0 - t).powi(2), 3.0 * t * t * (1.0 - t), t.powi(3));
            points.push((
                from.0 + a * first.0 + b * second.0 + c * end.0,
                from.1 + a * first.1 + b * second.1 + c * end.1,
            ));
        }
        from = (from.0 + end.0, from.1 + end.1);
    }
    points
}

/// By the number of edges to the right.
fn is_within(polygon: &[Point], at: Point) -> bool {
    let ends = polygon.iter().cycle().skip(1);
    let crossed = polygon.iter().zip(ends).filter(|(from, to)| {
        (from.1 > at.1) != (to.1 > at.1) && at.0 < (to.0 - from.0) * (at.1 - from.1) / (to.1 - from.1) + from.0
    });
    crossed.count() % 2 == 1
}

fn fill(outlines: &Outlines, picture: Picture, side: u16) -> Vec<u8> {
    let place = |pixel: u16, part: u16| {
        (f32::from(pixel) + (f32::from(part) + 0.5) / f32::from(FINENESS)) * SQUARE / f32::from(side)
    };
    let mut argb = Vec::with_capacity(usize::from(side).pow(2) * 4);
    for row in 0..side {
        for column in 0..side {
            let parts = (0..FINENESS).flat_map(|down| (0..FINENESS).map(move |across| (across, down)));
            let seen: Vec<_> = parts
                .filter_map(|(across, down)| outlines.colour(picture, (place(column, across), place(row, down))))
                .collect();
            argb.extend_from_slice(&mixed(&seen));
        }
    }
    argb
}

/// The mean of the colours, as opaque as they are many.
fn mixed(seen: &[[u8; 3]]) -> [u8; 4] {
    let all = u32::from(FINENESS).pow(2);
    let many = u32::try_from(seen.len()).unwrap_or(all);
    if many == 0 {
        return [0; 4];
    }
    let mean = |channel: usize| seen.iter().map(|colour| u32::from(colour[channel])).sum::<u32>() / many;
    [many * 255 / all, mean(0), mean(1), mean(2)].map(|value| u8::try_from(value).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Picture; 3] = [Picture::Well, Picture::Waiting, Picture::Asking];

    /// The pixel at a share of the side from the left and from above.
    fn pixel(pixels: &Pixels, across: f32, down: f32) -> [u8; 4] {
        let at = |share: f32| (f32::from(pixels.side) * share) as usize;
        let index = (at(down) * usize::from(pixels.side) + at(across)) * 4;
        pixels.argb[index..index + 4].try_into().unwrap()
    }

    #[test]
    fn every_size_is_a_whole_square_with_clear_corners_and_an_opaque_flame() {
        for pixels in ALL.iter().flat_map(|picture| drawn(*picture)) {
            assert_eq!(pixels.argb.len(), usize::from(pixels.side).pow(2) * 4);
            assert_eq!(pixel(pixels, 0.01, 0.01), [0; 4]);
            assert_eq!(pixel(pixels, 0.3, 0.6)[0], 255);
        }
    }

    /// WCAG 2.2, "contrast ratio", of a grey to a colour.
    fn contrast(grey: u8, colour: [u8; 3]) -> f64 {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let light =
            |[red, green, blue]: [u8; 3]| 0.05 + 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        let (one, other) = (light([grey; 3]), light(colour));
        one.max(other) / one.min(other)
    }

    #[test]
    fn wcag_1_4_11_the_colours_are_seen_on_a_white_panel_and_on_a_dark_one() {
        for (colour, grey) in [FLAME, UNLIT, MARK].into_iter().flat_map(|colour| [(colour, 0xff), (colour, 0x35)]) {
            let contrast = contrast(grey, colour);
            assert!(contrast >= 3.0, "{colour:02x?} on {grey:02x}: {contrast:.2}");
        }
    }

    #[test]
    fn the_states_differ_in_shape_and_colour() {
        for ((well, waiting), asking) in
            drawn(Picture::Well).iter().zip(drawn(Picture::Waiting)).zip(drawn(Picture::Asking))
        {
            let flame = [255, FLAME[0], FLAME[1], FLAME[2]];
            assert_eq!(pixel(well, 0.3, 0.6), flame);
            assert_eq!(pixel(waiting, 0.3, 0.6), [255, UNLIT[0], UNLIT[1], UNLIT[2]]);
            assert_eq!(pixel(waiting, 0.5, 0.75), flame, "the pilot light");
            assert_eq!(pixel(asking, 0.3, 0.6), flame);
            assert_eq!(pixel(well, 0.9, 0.73)[0], 0);
            assert_eq!(pixel(asking, 0.9, 0.73), [255, MARK[0], MARK[1], MARK[2]], "the mark goes beyond the flame");
        }
    }
}
