/** Factors to the canonical unit; exact where the unit is defined by law. */
const factors: { readonly [unit: string]: readonly [canonical: string, factor: number] } = {
  lb: ['kg', 0.45359237],
  stone: ['kg', 6.35029318],
  in: ['cm', 2.54],
  ft: ['m', 0.3048],
  km: ['m', 1000],
  mi: ['m', 1609.344],
  kJ: ['kcal', 1 / 4.184],
  'mmol/L': ['mg/dL', 18.0156],
  'fl oz': ['mL', 29.5735295625],
  ms: ['s', 0.001],
  h: ['min', 60],
};

/**
 * A value in the canonical unit `to`. Fractions are never turned into percent here: that is a rule of a provider, not of a unit.
 *
 * @returns undefined when there is no conversion between the two units
 */
export function toUnit(value: number, from: string | undefined, to: string): number | undefined {
  if (from === undefined || from === to) return value;
  if (to === '°C diff') return from === '°C' ? value : from === '°F' ? (value * 5) / 9 : undefined;
  if (from === '°F' && to === '°C') return ((value - 32) * 5) / 9;
  const f = factors[from];
  return f !== undefined && f[0] === to ? value * f[1] : undefined;
}
