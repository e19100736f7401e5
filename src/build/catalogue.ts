/**
 * A made-up catalogue of pins for the demo, drawn by a seed: things with materials, colours and styles, saved to
 * boards, at prices and dates that fit. Nothing in it comes from anywhere; the same seed gives the same pins.
 */
import type { AttributeTypes } from '../index/config.ts';
import type { PinInput } from '../index/pin.ts';
import { DAY_MS } from '../index/time.ts';
import { Prng } from '../lib/prng.ts';

export const CATALOGUE_ATTRIBUTES: AttributeTypes = {
  category: 'keyword',
  board: 'keyword',
  colours: 'keyword[]',
  price: 'number',
  inStock: 'bool',
  savedAt: 'time',
};

interface Category {
  readonly name: string;
  readonly things: readonly string[];
  readonly materials: readonly string[];
  /** Where or what for: it ends a title and names the boards. */
  readonly places: readonly string[];
  /** Price of the middle of the category; 0 for what is not sold. */
  readonly price: number;
  /** Month (0 to 11) around which such pins are saved most, when there is a season. */
  readonly season?: number;
}

const CATEGORIES: readonly Category[] = [
  {
    name: 'lamps',
    things: ['table lamp', 'floor lamp', 'pendant light', 'wall sconce', 'desk lamp', 'paper lantern'],
    materials: ['brass', 'rattan', 'smoked glass', 'linen', 'ceramic', 'oak'],
    places: ['a reading corner', 'the hallway', 'a small bedroom', 'the dining table', 'a home office'],
    price: 90,
  },
  {
    name: 'sofas',
    things: ['corner sofa', 'sofa bed', 'loveseat', 'daybed', 'armchair', 'pouffe'],
    materials: ['velvet', 'leather', 'boucle', 'corduroy', 'linen', 'wool'],
    places: ['a narrow living room', 'the guest room', 'a loft', 'a bay window', 'a family den'],
    price: 900,
  },
  {
    name: 'ceramics',
    things: ['vase', 'serving bowl', 'mug', 'dinner plate', 'teapot', 'planter'],
    materials: ['stoneware', 'porcelain', 'terracotta', 'raku clay', 'bone china'],
    places: ['an open shelf', 'the breakfast table', 'a windowsill', 'a summer table', 'a coffee corner'],
    price: 35,
  },
  {
    name: 'dresses',
    things: ['wrap dress', 'maxi dress', 'shirt dress', 'slip dress', 'pinafore', 'sundress'],
    materials: ['silk', 'cotton', 'linen', 'satin', 'denim', 'crepe'],
    places: ['a garden wedding', 'the office', 'a beach holiday', 'an evening out', 'a city weekend'],
    price: 110,
    season: 4,
  },
  {
    name: 'knitwear',
    things: ['cardigan', 'roll neck jumper', 'cable knit sweater', 'knitted vest', 'beanie', 'scarf'],
    materials: ['merino', 'cashmere', 'alpaca', 'mohair', 'lambswool'],
    places: ['a cabin weekend', 'layering', 'a frosty walk', 'the first cold day', 'a day at home'],
    price: 80,
    season: 10,
  },
  {
    name: 'shoes',
    things: ['ankle boots', 'loafers', 'trainers', 'sandals', 'ballet flats', 'hiking boots'],
    materials: ['leather', 'suede', 'canvas', 'patent leather', 'recycled rubber'],
    places: ['rainy streets', 'long walks', 'a summer festival', 'work', 'a mountain trail'],
    price: 120,
  },
  {
    name: 'cakes',
    things: ['layer cake', 'cheesecake', 'loaf cake', 'cupcakes', 'tart', 'roulade'],
    materials: ['lemon', 'dark chocolate', 'pistachio', 'almond', 'raspberry', 'carrot'],
    places: ['a birthday', 'afternoon tea', 'a picnic', 'a potluck', 'a lazy Sunday'],
    price: 0,
  },
  {
    name: 'soups',
    things: ['soup', 'ramen', 'chowder', 'stew', 'broth', 'curry'],
    materials: ['roasted tomato', 'pumpkin', 'miso', 'red lentil', 'wild mushroom', 'coconut'],
    places: ['weeknight dinners', 'meal prep', 'a cold evening', 'one pot cooking', 'lunch boxes'],
    price: 0,
    season: 11,
  },
  {
    name: 'houseplants',
    things: ['monstera', 'string of pearls', 'fiddle leaf fig', 'snake plant', 'trailing pothos', 'fern'],
    materials: [
      'a terracotta pot',
      'a hanging basket',
      'a concrete planter',
      'a woven basket',
      'a glass jar',
    ],
    places: ['a dark corner', 'a bright bathroom', 'a bookshelf', 'beginners', 'a desk'],
    price: 28,
    season: 3,
  },
  {
    name: 'gardens',
    things: ['raised bed', 'gravel path', 'pergola', 'herb spiral', 'fire pit', 'balcony planter'],
    materials: ['cedar', 'reclaimed brick', 'corten steel', 'slate', 'bamboo'],
    places: ['a small backyard', 'a rooftop', 'a cottage garden', 'a north facing terrace', 'pollinators'],
    price: 150,
    season: 4,
  },
  {
    name: 'posters',
    things: [
      'botanical print',
      'travel poster',
      'line drawing',
      'abstract print',
      'star map',
      'gallery wall set',
    ],
    materials: ['recycled paper', 'risograph', 'letterpress', 'canvas', 'cotton rag paper'],
    places: ['a nursery', 'the kitchen', 'a studio flat', 'the stairway', 'above the sofa'],
    price: 30,
  },
  {
    name: 'weddings',
    things: ['table setting', 'bouquet', 'invitation suite', 'arch', 'place cards', 'favours'],
    materials: ['dried flowers', 'eucalyptus', 'handmade paper', 'peonies', 'pampas grass', 'beeswax'],
    places: [
      'a barn wedding',
      'an autumn wedding',
      'a city hall wedding',
      'a winter wedding',
      'a beach wedding',
    ],
    price: 60,
    season: 5,
  },
];

const COLOURS = [
  'sage',
  'terracotta',
  'navy',
  'mustard',
  'blush',
  'charcoal',
  'ivory',
  'emerald',
  'rust',
  'lavender',
  'teal',
  'black',
] as const;
const STYLES = [
  'mid-century',
  'minimal',
  'vintage',
  'Scandinavian',
  'rustic',
  'art deco',
  'boho',
  'Japandi',
  'industrial',
  'classic',
] as const;

const SAVED_FROM = Date.UTC(2023, 0, 1);
const YEARS = 3;

/** A day of a year, near the season's month when there is one. */
function savedAt(prng: Prng, season: number | undefined): number {
  const year = prng.below(YEARS);
  const day =
    season === undefined ? prng.below(365) : (((season * 30.4 + prng.normal() * 40) % 365) + 365) % 365;
  return SAVED_FROM + Math.floor(year * 365 + day) * DAY_MS + prng.below(DAY_MS);
}

/** Draws `count` pins. */
export function* drawCatalogue(count: number, seed: number): Generator<PinInput> {
  const prng = new Prng(seed);
  for (let i = 0; i < count; i++) {
    const category = prng.pick(CATEGORIES);
    const thing = prng.pick(category.things);
    const material = prng.pick(category.materials);
    const place = prng.pick(category.places);
    const colour = prng.pick(COLOURS);
    const style = prng.pick(STYLES);
    const second = prng.float() < 0.3 ? prng.pick(COLOURS) : colour;
    const isFood = category.price === 0 && category.name !== 'posters';
    const title = isFood
      ? `${capital(material)} ${thing} for ${place}`
      : category.name === 'houseplants'
        ? `${capital(thing)} in ${material} for ${place}`
        : `${capital(style)} ${colour} ${material} ${thing} for ${place}`;
    const board = `${capital(category.name)} for ${place}`;
    // Log-normal, so that most are near the middle and few are dear
    const price = Math.round(category.price * Math.exp(prng.normal() * 0.45) * 100) / 100;
    yield {
      id: `pin-${String(i).padStart(6, '0')}`,
      text: `${title}. ${board}`,
      attributes: {
        category: category.name,
        board,
        ...(!isFood && { colours: second === colour ? [colour] : [colour, second] }),
        ...(category.price > 0 && { price, inStock: prng.float() < 0.8 }),
        savedAt: savedAt(prng, category.season),
      },
      payload: { title, board },
    };
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
