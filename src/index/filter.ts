/** A filter as users write it: `{"category": "lamps", "price": {"$lt": 50}}`. */
export type Filter = Readonly<Record<string, unknown>>;
