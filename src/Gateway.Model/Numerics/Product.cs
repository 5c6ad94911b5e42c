namespace Gateway.Model.Numerics;

/// <summary>One product C[rows, width] (+)= (scale·A)[rows, depth]·B of a job; see <see cref="Compute.Multiply(ReadOnlySpan{Product})"/>.</summary>
/// <remarks>Holds addresses only: whoever builds it keeps the memory of A, B and C alive while the job runs.</remarks>
public readonly unsafe struct Product
{
    /// <summary>Describes a product.</summary>
    /// <param name="a">First row of the left side, f32.</param>
    /// <param name="lda">Floats from one row of A to the next.</param>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="b">The right side in any format.</param>
    /// <param name="c">First row of the result.</param>
    /// <param name="ldc">Floats from one row of C to the next.</param>
    /// <param name="accumulate">True to add to C: the sums start there.</param>
    /// <param name="scale">Factor of A; only for right sides that are not quantized.</param>
    public Product(float* a, int lda, int rows, WeightMatrix b, float* c, int ldc, bool accumulate, float scale = 1f)
    {
        ArgumentNullException.ThrowIfNull(b);
        ArgumentOutOfRangeException.ThrowIfLessThan(lda, b.Depth);
        ArgumentOutOfRangeException.ThrowIfLessThan(ldc, b.Width);
        A = a;
        C = c;
        Panels = b.Memory;
        (Lda, Rows, Ldc, Accumulate, Scale) = (lda, rows, ldc, accumulate, scale);
        (Format, PanelBytes, Depth, Width) = (b.Format, b.PanelBytes, b.Depth, b.Width);
    }

    /// <summary>The same product with terms added to it, and before them a bias: C (+)= A·B + bias + Σ L·R. A chain continues through the terms as it would in jobs of their own.</summary>
    /// <param name="bias">One value per column, or null.</param>
    /// <param name="terms">The terms in order; they stay where they are while the job runs.</param>
    /// <param name="count">Number of terms.</param>
    internal Product Then(float* bias, ProductTerm* terms, int count) => this with { Bias = bias, Terms = terms, TermCount = count };

    /// <summary>The same product added to other values than those in C: C = S + A·B.</summary>
    /// <param name="start">S [rows, ldc]; when it is C itself, nothing is copied.</param>
    internal Product From(float* start) => this with { Start = start == C ? null : start, Accumulate = true };

    internal float* A { get; }

    internal int Lda { get; }

    internal int Rows { get; }

    internal float* C { get; }

    internal int Ldc { get; }

    internal bool Accumulate { get; private init; }

    internal float Scale { get; }

    internal PanelFormat Format { get; }

    internal byte* Panels { get; }

    internal nint PanelBytes { get; }

    internal int Depth { get; }

    internal int Width { get; }

    /// <summary>Values that C starts with, or null.</summary>
    internal float* Start { get; private init; }

    /// <summary>One value per column that is added after the product, or null.</summary>
    internal float* Bias { get; private init; }

    /// <summary>What is added after that.</summary>
    internal ProductTerm* Terms { get; private init; }

    internal int TermCount { get; private init; }

    internal bool Quantized => Format is PanelFormat.Int8 or PanelFormat.Int4;
}
