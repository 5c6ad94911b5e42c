using System.Numerics;

namespace Gateway.Engine.Grammars;

/// <summary>What a schema demands of a number besides its type.</summary>
/// <param name="Lower">Least value, or null.</param>
/// <param name="Upper">Largest value, or null.</param>
/// <param name="MultipleOf">Unit above 0 of which the number is a multiple, or null.</param>
/// <param name="Pointer">A keyword that set one of these.</param>
internal sealed record NumberBounds(NumberBound? Lower, NumberBound? Upper, decimal? MultipleOf, string Pointer)
{
    public static NumberBounds None { get; } = new(null, null, null, "");

    /// <summary>Both demands together.</summary>
    /// <exception cref="GrammarException">The common multiple is too large.</exception>
    public NumberBounds And(NumberBounds other) => new(
        Tighter(Lower, other.Lower, sign: 1), Tighter(Upper, other.Upper, sign: -1), Common(other), Pointer.Length > 0 ? Pointer : other.Pointer);

    private static NumberBound? Tighter(NumberBound? left, NumberBound? right, int sign)
    {
        if (left is not { } a || right is not { } b)
        {
            return left ?? right;
        }

        var order = sign * a.Value.CompareTo(b.Value);
        return order > 0 || (order == 0 && a.IsExclusive) ? left : right;
    }

    private decimal? Common(NumberBounds other)
    {
        if (MultipleOf is not { } a || other.MultipleOf is not { } b)
        {
            return MultipleOf ?? other.MultipleOf;
        }

        var scale = Math.Max(a.Scale, b.Scale);
        var unit = BigInteger.Pow(10, scale);
        var (left, right) = (Whole(a), Whole(b));
        var common = left / BigInteger.GreatestCommonDivisor(left, right) * right;
        return common < 1_000_000_000_000
            ? (decimal)common / (decimal)unit
            : throw new GrammarException(other.Pointer, "has no small common multiple with the other multipleOf: drop one of them");

        // Exact even where the product is beyond the range of decimal.
        BigInteger Whole(decimal value) => new BigInteger(decimal.Truncate(value)) * unit + new BigInteger((value - decimal.Truncate(value)) * (decimal)unit);
    }
}

/// <summary>A least or largest value.</summary>
internal readonly record struct NumberBound(decimal Value, bool IsExclusive);
