using System.Globalization;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Compiles bounds and units of numbers to an automaton that compares digit by digit and keeps the remainder. Such numbers have
/// no exponent, at most 28 digits (15 with a unit), so that every reader of decimals reads them exactly, no more decimal places
/// than their unit, and no negative zero.
/// </summary>
internal sealed class BoundedNumber
{
    private const int MaximumDigits = 28;
    private const int MaximumUnitDigits = 15;

    private readonly Side _positive;
    private readonly Side _negative;
    private readonly bool _isWhole;
    private readonly int _digits;

    // The unit is _unit / 10^_scale.
    private readonly int _unit;
    private readonly int _scale;

    private BoundedNumber(NumberBounds bounds, bool isWhole, CompileBudget budget)
    {
        _isWhole = isWhole;
        _positive = Side.Of(bounds.Lower, bounds.Upper, allowZero: true);
        _negative = Side.Of(Negate(bounds.Upper), Negate(bounds.Lower), allowZero: false);
        _digits = bounds.MultipleOf is null ? MaximumDigits : MaximumUnitDigits;
        (_unit, _scale) = (1, 0);
        if (bounds.MultipleOf is { } unit)
        {
            for (; decimal.Truncate(unit) != unit && unit < CompileBudget.Maximum; _scale++)
            {
                unit *= 10;
            }

            _unit = unit <= CompileBudget.Maximum
                ? (int)unit
                : throw new GrammarException(bounds.Pointer, "has a multipleOf with too many digits: use a rounder one");
        }

        HasUnit = bounds.MultipleOf is not null;
        Budget = budget;
    }

    private enum Phase
    {
        Start,
        Minus,
        Zero,
        Whole,
        Point,
        Fraction,
    }

    private bool HasUnit { get; }

    private CompileBudget Budget { get; }

    /// <summary>The automaton, or null when no number fits.</summary>
    public static ByteDfa? Compile(NumberBounds bounds, bool isWhole, CompileBudget budget) =>
        new BoundedNumber(bounds, isWhole, budget).Explore();

    private ByteDfa? Explore()
    {
        var builder = new ByteDfaBuilder(Budget);
        var states = new List<State> { default };
        var numbers = new Dictionary<State, int> { [default] = builder.Add() };
        for (var i = 0; i < states.Count; i++)
        {
            foreach (var value in "-.0123456789")
            {
                if (Step(states[i], value) is not { } next)
                {
                    continue;
                }

                if (!numbers.TryGetValue(next, out var number))
                {
                    numbers.Add(next, number = builder.Add(Accepts(next)));
                    states.Add(next);
                }

                builder.Set(i, value, value, number);
            }
        }

        return builder.Build();
    }

    private State? Step(State at, char value) => (at.Phase, value) switch
    {
        (Phase.Start, '-') => at with { Phase = Phase.Minus, IsNegative = true },
        (Phase.Start or Phase.Minus, '0') => Whole(at with { Phase = Phase.Zero }, 0),
        (Phase.Start or Phase.Minus, >= '1' and <= '9') => Whole(at with { Phase = Phase.Whole }, value - '0'),
        (Phase.Whole, >= '0' and <= '9') => Whole(at, value - '0'),
        (Phase.Zero or Phase.Whole, '.') when !_isWhole && !(HasUnit && _scale == 0) => Point(at),
        (Phase.Point or Phase.Fraction, >= '0' and <= '9') => Fraction(at, value - '0'),
        _ => null,
    };

    private State? Whole(State at, int digit)
    {
        if (at.Digits == _digits)
        {
            return null;
        }

        var side = at.IsNegative ? _negative : _positive;
        return at with
        {
            Digits = at.Digits + 1,
            Lower = side.Lower is { } lower ? lower.CompareWhole(at.Lower, at.Digits, digit) : 0,
            Upper = side.Upper is { } upper ? upper.CompareWhole(at.Upper, at.Digits, digit) : 0,
            Remainder = ((at.Remainder * 10) + digit) % _unit,
        };
    }

    private State? Point(State at)
    {
        var (lower, upper) = WholeOrders(at);
        return at with { Phase = Phase.Point, Lower = lower, Upper = upper };
    }

    private State? Fraction(State at, int digit)
    {
        if (at.Digits == _digits || (HasUnit && at.Place == _scale))
        {
            return null;
        }

        var side = at.IsNegative ? _negative : _positive;
        var (lower, upper) = (at.Lower, at.Upper);
        if (side.Lower is { } least && lower == 0)
        {
            lower = digit.CompareTo(least.Place(at.Place));
        }

        if (side.Upper is { } most && upper == 0)
        {
            upper = digit.CompareTo(most.Place(at.Place));
        }

        // The place matters only while a digit of a bound or the unit is still to be looked at.
        var isOpen = HasUnit || (side.Lower is not null && lower == 0) || (side.Upper is not null && upper == 0);
        return at with
        {
            Phase = Phase.Fraction,
            Digits = at.Digits + 1,
            Place = isOpen ? at.Place + 1 : 0,
            Lower = lower,
            Upper = upper,
            Remainder = ((at.Remainder * 10) + digit) % _unit,
        };
    }

    private bool Accepts(State at)
    {
        if (at.Phase is Phase.Start or Phase.Minus or Phase.Point)
        {
            return false;
        }

        var side = at.IsNegative ? _negative : _positive;
        var (lower, upper) = at.Phase == Phase.Fraction ? (at.Lower, at.Upper) : WholeOrders(at);
        long remainder = at.Remainder;
        for (var place = at.Place; HasUnit && place < _scale; place++)
        {
            remainder = remainder * 10 % _unit;
        }

        return remainder == 0 && !side.IsEmpty
            && (side.Lower is not { } least || least.Above(lower, at.Place))
            && (side.Upper is not { } most || most.Below(upper, at.Place));
    }

    /// <summary>With all digits in front of the point known, the number of digits decides first.</summary>
    private (int Lower, int Upper) WholeOrders(State at)
    {
        var side = at.IsNegative ? _negative : _positive;
        return (side.Lower?.EndWhole(at.Lower, at.Digits) ?? 0, side.Upper?.EndWhole(at.Upper, at.Digits) ?? 0);
    }

    private static NumberBound? Negate(NumberBound? bound) => bound is { } value ? value with { Value = -value.Value } : null;

    /// <summary>A place inside a number; orders are those of the digits so far against those of the bounds.</summary>
    private readonly record struct State(Phase Phase, bool IsNegative, int Digits, int Place, int Lower, int Upper, int Remainder);

    /// <summary>The bounds of the magnitude on one side of zero.</summary>
    private sealed record Side(Digits? Lower, Digits? Upper, bool IsEmpty)
    {
        public static Side Of(NumberBound? lower, NumberBound? upper, bool allowZero)
        {
            // The magnitude is never below zero.
            if (lower is not { Value: >= 0 } || (lower is { Value: 0, IsExclusive: false } && !allowZero))
            {
                lower = allowZero ? null : new NumberBound(0, IsExclusive: true);
            }

            return new Side(
                lower is { } least ? new Digits(least) : null,
                upper is { Value: >= 0 } most ? new Digits(most) : null,
                IsEmpty: upper is { Value: < 0 });
        }
    }

    /// <summary>A bound of the magnitude by its digits.</summary>
    private sealed class Digits
    {
        private readonly string _whole;
        private readonly string _fraction;
        private readonly bool _isExclusive;

        public Digits(NumberBound bound)
        {
            var parts = bound.Value.ToString("0.############################", CultureInfo.InvariantCulture).Split('.');
            (_whole, _fraction, _isExclusive) = (parts[0], parts.Length > 1 ? parts[1] : "", bound.IsExclusive);
        }

        /// <summary>The order behind one more digit in front of the point, of which there were <paramref name="count"/>.</summary>
        public int CompareWhole(int order, int count, int digit) =>
            count >= _whole.Length ? 1 : order != 0 ? order : digit.CompareTo(_whole[count] - '0');

        public int EndWhole(int order, int count) =>
            count < _whole.Length ? -1 : count > _whole.Length ? 1 : order;

        public int Place(int place) => place < _fraction.Length ? _fraction[place] - '0' : 0;

        public bool Above(int order, int place) => order > 0 || (order == 0 && place >= _fraction.Length && !_isExclusive);

        public bool Below(int order, int place) => order < 0 || (order == 0 && (place < _fraction.Length || !_isExclusive));
    }
}
