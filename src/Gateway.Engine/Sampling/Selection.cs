namespace Gateway.Engine.Sampling;

/// <summary>
/// Thresholds by partial selection (Hoare's quickselect): expected linear time, in place, and deterministic because the
/// pivot is chosen by position.
/// </summary>
internal static class Selection
{
    /// <summary>The <paramref name="count"/>-th largest value, counted from 1; reorders the values.</summary>
    public static float Largest(Span<float> values, int count)
    {
        while (true)
        {
            var pivot = Pivot(values);
            var (above, notBelow) = Partition(values, pivot);
            if (count <= above)
            {
                values = values[..above];
            }
            else if (count <= notBelow)
            {
                return pivot;
            }
            else
            {
                values = values[notBelow..];
                count -= notBelow;
            }
        }
    }

    /// <summary>The largest value t such that the values ≥ t sum to at least <paramref name="mass"/>; reorders the values.</summary>
    public static float Mass(Span<float> values, double mass)
    {
        while (true)
        {
            var pivot = Pivot(values);
            var (above, notBelow) = Partition(values, pivot);
            var massAbove = Sum(values[..above]);
            if (above > 0 && massAbove >= mass)
            {
                values = values[..above];
                continue;
            }

            var massWithPivot = massAbove + Sum(values[above..notBelow]);
            if (massWithPivot >= mass || notBelow == values.Length)
            {
                return pivot;
            }

            values = values[notBelow..];
            mass -= massWithPivot;
        }
    }

    private static double Sum(ReadOnlySpan<float> values)
    {
        var sum = 0.0;
        foreach (var value in values)
        {
            sum += value;
        }

        return sum;
    }

    /// <summary>Median of the first, middle and last value.</summary>
    private static float Pivot(ReadOnlySpan<float> values)
    {
        var (a, b, c) = (values[0], values[values.Length / 2], values[^1]);
        return MathF.Max(MathF.Min(a, b), MathF.Min(MathF.Max(a, b), c));
    }

    /// <summary>Orders into larger, equal, smaller; returns where the equal ones start and end.</summary>
    private static (int Above, int NotBelow) Partition(Span<float> values, float pivot)
    {
        var (above, index, end) = (0, 0, values.Length);
        while (index < end)
        {
            if (values[index] > pivot)
            {
                (values[above], values[index]) = (values[index], values[above]);
                above++;
                index++;
            }
            else if (values[index] < pivot)
            {
                end--;
                (values[end], values[index]) = (values[index], values[end]);
            }
            else
            {
                index++;
            }
        }

        return (above, end);
    }
}
