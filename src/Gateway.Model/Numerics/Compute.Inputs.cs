namespace Gateway.Model.Numerics;

/// <content>
/// Inputs of products. What happens to a row between two products happens in one chunk: small batches spend more time on
/// handing rows from thread to thread than on the arithmetic.
/// </content>
public sealed unsafe partial class Compute
{
    private QuantizedRows _prepared;
    private float* _preparedFor;

    /// <summary>Makes ready what the next <see cref="Multiply(ReadOnlySpan{Product})"/> reads: rows that exist already.</summary>
    /// <param name="input">The rows.</param>
    /// <param name="inner">Products of the rows that are computed along the way.</param>
    internal void Prepare(in ProductInput input, ReadOnlySpan<InnerProduct> inner) => Prepare(input, inner, default(NoStage));

    /// <summary>As <see cref="Prepare(in ProductInput, ReadOnlySpan{InnerProduct})"/> for rows y = x / rms(x) · weight.</summary>
    /// <param name="inverseRms">Receives 1/rms of each row for the backward pass; may be null.</param>
    /// <inheritdoc cref="Prepare(in ProductInput, ReadOnlySpan{InnerProduct})"/>
    internal void PrepareNormed(in ProductInput input, ReadOnlySpan<InnerProduct> inner, float* x, float* weight, float epsilon, float* inverseRms) =>
        Prepare(input, inner, new RmsNormWork(x, weight, input.Width, epsilon, input.Values, inverseRms));

    /// <summary>As <see cref="Prepare(in ProductInput, ReadOnlySpan{InnerProduct})"/> for rows silu(gate)·up.</summary>
    /// <inheritdoc cref="Prepare(in ProductInput, ReadOnlySpan{InnerProduct})"/>
    internal void PrepareGated(in ProductInput input, ReadOnlySpan<InnerProduct> inner, float* gate, float* up) =>
        Prepare(input, inner, new GateStage(new SwiGluWork(gate, up, input.Values), input.Width));

    private void Prepare<TStage>(in ProductInput input, ReadOnlySpan<InnerProduct> inner, TStage stage)
        where TStage : struct, IRangeWork
    {
        bool quantized = input.Format is PanelFormat.Int8 or PanelFormat.Int4;
        _prepared = quantized ? ReserveQuantized(input.Rows, input.Width, input.Format) : default;
        _preparedFor = quantized ? input.Values : null;
        if (!quantized && inner.IsEmpty && typeof(TStage) == typeof(NoStage))
        {
            return;
        }

        fixed (InnerProduct* first = inner)
        {
            // Every chunk reads the right sides of its rows' inner products: with some, a thread takes its rows together.
            int perChunk = inner.IsEmpty ? RowsPerChunk(input.Width) : Math.Min(QuantizedTileRows, (input.Rows + Threads - 1) / Threads);
            OverRange(input.Rows, perChunk, new PrepareWork<TStage>(stage, input, _prepared, first, inner.Length));
        }
    }

    private QuantizedRows ReserveQuantized(int rows, int width, PanelFormat format)
    {
        int groupDepth = GroupDepth(format);
        int numberBytes = Kernels.ActivationBytes(format == PanelFormat.Int4);
        float* memory = _quantized.Reserve((QuantizedRows.BytesFor(rows, width, groupDepth, numberBytes) + sizeof(float) - 1) / sizeof(float));
        return QuantizedRows.Over(memory, rows, width, groupDepth, numberBytes);
    }

    private static int GroupDepth(PanelFormat format) => format == PanelFormat.Int4 ? Int4Format.GroupDepth : Int8Format.GroupDepth;

    private static int Offset(PanelFormat format) => format == PanelFormat.Int4 ? Int4Format.Offset : Int8Format.Offset;

    /// <summary>Rows from the first operation to the last: 1. what makes them; 2. their quantized form; 3. inner products.</summary>
    private readonly struct PrepareWork<TStage>(TStage stage, ProductInput input, QuantizedRows quantized, InnerProduct* inner, int innerCount) : IRangeWork
        where TStage : struct, IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            stage.Run(kernels, first, count, scratch);
            if (quantized.Groups > 0)
            {
                new QuantizeWork(input.Values, input.Width, input.Width, input.Format, quantized).Run(kernels, first, count, scratch);
            }

            for (int i = 0; i < innerCount; i++)
            {
                InnerProduct product = inner[i];
                int row = Math.Max(first, product.FirstRow);
                int rows = Math.Min(first + count, product.FirstRow + product.Rows) - row;
                if (rows > 0)
                {
                    int width = product.Right.Width;
                    product.Right.Multiply(kernels, input.Row(row), input.Width, rows, 0, width, product.Target + ((nint)(row - product.FirstRow) * width), width, accumulate: false);
                }
            }
        }
    }

    private readonly struct NoStage : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
        }
    }

    private readonly struct GateStage(SwiGluWork work, int width) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) => work.Run(kernels, first * width, count * width, scratch);
    }
}
