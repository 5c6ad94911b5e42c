using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Products of quantized activations and quantized weights in register tiles of 256-bit vectors.</summary>
/// <remarks>
/// Within a group of depths the dot product is an exact integer; groups are added in f32 in the order of the depth, one
/// fused multiply-add per group: value(dot)·(row scale·weight scale) + sum. So a row's bits depend neither on the tile
/// that computes it nor on the instruction set. The integers of a group fill the registers: 8 rows keep sixteen sums in
/// flight, which hides the latency of the dot-product instruction at two per cycle. The f32 sums, touched once per
/// group, stay in memory.
/// </remarks>
internal static unsafe class QuantizedProduct<TFormat, TDot>
    where TFormat : struct, IQuantizedFormat
    where TDot : struct, IByteDot
{
    private const int Panel = WeightMatrix.PanelWidth;

    /// <summary>
    /// How far ahead weights are fetched: panels lie one behind the other, and the stream tells what is read after its end. Few
    /// rows wait for memory, and near is best; more compute as long as memory takes, and need the distance to keep it busy
    /// meanwhile (measured: 16 rows run 1.4 times as fast as with the near one). Many are bound by arithmetic, and want
    /// the next panel only.
    /// </summary>
    private const int Near = 4096;

    private const int Far = 128 * 1024;

    private const int FarRows = 6;

    private const int FarTiles = 8;

    /// <summary>C[rows, width] (+)= x·B for whole rows; panels are read once, in order, while the rows pass by.</summary>
    [SkipLocalsInit]
    public static void Multiply(in QuantizedRows x, int firstRow, int rows, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream)
    {
        float* sums = stackalloc float[8 * Panel];
        int tiles = 0;
        for (int row = 0; row < rows; row += TileRows(rows - row))
        {
            tiles++;
        }

        // Every tile fetches its share of what lies ahead, so that memory is busy while products are computed.
        nint aheadStep = TFormat.GroupBytes * 4 / TFormat.GroupDepth / tiles;
        for (int column = 0; column < width; column += Panel, panels += panelBytes)
        {
            int columns = Math.Min(Panel, width - column);
            byte* ahead = stream.Follow(panels + (rows < FarRows ? Near : tiles <= FarTiles ? Far : panelBytes));
            int step;
            for (int row = 0; row < rows; row += step, ahead += panelBytes / tiles)
            {
                step = TileRows(rows - row);
                float* target = c + (row * ldc) + column;
                if (columns < Panel)
                {
                    new Span<float>(sums, step * Panel).Clear();
                    RegisterTile.Copy(target, ldc, sums, Panel, accumulate ? step : 0, columns);
                    Tile(step, x, firstRow + row, panels, ahead, aheadStep, sums);
                    RegisterTile.Copy(sums, Panel, target, ldc, step, columns);
                    continue;
                }

                Start(sums, target, ldc, step, accumulate);
                Tile(step, x, firstRow + row, panels, ahead, aheadStep, sums);
                Finish(sums, target, ldc, step);
            }
        }
    }

    private static void Start(float* sums, float* c, nint ldc, int rows, bool accumulate)
    {
        for (int row = 0; row < rows; row++, sums += Panel, c += ldc)
        {
            (accumulate ? Vector256.Load(c) : Vector256<float>.Zero).Store(sums);
            (accumulate ? Vector256.Load(c + 8) : Vector256<float>.Zero).Store(sums + 8);
        }
    }

    private static void Finish(float* sums, float* c, nint ldc, int rows)
    {
        for (int row = 0; row < rows; row++, sums += Panel, c += ldc)
        {
            Vector256.Load(sums).Store(c);
            Vector256.Load(sums + 8).Store(c + 8);
        }
    }

    private static int TileRows(int left) => left switch
    {
        >= 13 or 8 or 9 => 8,
        >= 6 => 6,
        >= 4 => 4,
        >= 2 => 2,
        _ => 1,
    };

    private static void Tile(int rows, in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        switch (rows)
        {
            case 8:
                Tile8(x, row, panel, ahead, aheadStep, sums);
                break;
            case 6:
                Tile6(x, row, panel, ahead, aheadStep, sums);
                break;
            case 4:
                Tile4(x, row, panel, ahead, aheadStep, sums);
                break;
            case 2:
                Tile2(x, row, panel, ahead, aheadStep, sums);
                break;
            default:
                Tile1(x, row, panel, ahead, aheadStep, sums);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(*(int*)four).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scales(byte* eight) =>
        Vector256.ShiftLeft(Avx2.ConvertToVector256Int32((ushort*)eight), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddGroup(Vector256<int> left, Vector256<int> right, Vector256<float> leftScale, Vector256<float> rightScale, float scale, float* sums)
    {
        Vector256<float> factor = Vector256.Create(scale);
        Fma.MultiplyAdd(Avx.ConvertToVector256Single(left), factor * leftScale, Vector256.Load(sums)).Store(sums);
        Fma.MultiplyAdd(Avx.ConvertToVector256Single(right), factor * rightScale, Vector256.Load(sums + 8)).Store(sums + 8);
    }

    /// <summary>8 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        sbyte* a6 = a0 + (6 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = TDot.Start(corrections[group]), right0 = left0;
            Vector256<int> left1 = TDot.Start(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = TDot.Start(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = TDot.Start(corrections[(3 * groups) + group]), right3 = left3;
            Vector256<int> left4 = TDot.Start(corrections[(4 * groups) + group]), right4 = left4;
            Vector256<int> left5 = TDot.Start(corrections[(5 * groups) + group]), right5 = left5;
            Vector256<int> left6 = TDot.Start(corrections[(6 * groups) + group]), right6 = left6;
            Vector256<int> left7 = TDot.Start(corrections[(7 * groups) + group]), right7 = left7;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = TDot.Add(left0, leftWeights, x0);
                    right0 = TDot.Add(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = TDot.Add(left1, leftWeights, x1);
                    right1 = TDot.Add(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = TDot.Add(left2, leftWeights, x2);
                    right2 = TDot.Add(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = TDot.Add(left3, leftWeights, x3);
                    right3 = TDot.Add(right3, rightWeights, x3);
                    Vector256<sbyte> x4 = Broadcast(a3 + stride);
                    left4 = TDot.Add(left4, leftWeights, x4);
                    right4 = TDot.Add(right4, rightWeights, x4);
                    Vector256<sbyte> x5 = Broadcast(a3 + (2 * stride));
                    left5 = TDot.Add(left5, leftWeights, x5);
                    right5 = TDot.Add(right5, rightWeights, x5);
                    Vector256<sbyte> x6 = Broadcast(a6);
                    left6 = TDot.Add(left6, leftWeights, x6);
                    right6 = TDot.Add(right6, rightWeights, x6);
                    Vector256<sbyte> x7 = Broadcast(a6 + stride);
                    left7 = TDot.Add(left7, leftWeights, x7);
                    right7 = TDot.Add(right7, rightWeights, x7);
                    a0 += 4;
                    a3 += 4;
                    a6 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            AddGroup(left0, right0, leftScale, rightScale, scales[group], sums);
            AddGroup(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            AddGroup(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            AddGroup(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            AddGroup(left4, right4, leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
            AddGroup(left5, right5, leftScale, rightScale, scales[(5 * groups) + group], sums + 80);
            AddGroup(left6, right6, leftScale, rightScale, scales[(6 * groups) + group], sums + 96);
            AddGroup(left7, right7, leftScale, rightScale, scales[(7 * groups) + group], sums + 112);
        }
    }

    /// <summary>6 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = TDot.Start(corrections[group]), right0 = left0;
            Vector256<int> left1 = TDot.Start(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = TDot.Start(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = TDot.Start(corrections[(3 * groups) + group]), right3 = left3;
            Vector256<int> left4 = TDot.Start(corrections[(4 * groups) + group]), right4 = left4;
            Vector256<int> left5 = TDot.Start(corrections[(5 * groups) + group]), right5 = left5;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = TDot.Add(left0, leftWeights, x0);
                    right0 = TDot.Add(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = TDot.Add(left1, leftWeights, x1);
                    right1 = TDot.Add(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = TDot.Add(left2, leftWeights, x2);
                    right2 = TDot.Add(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = TDot.Add(left3, leftWeights, x3);
                    right3 = TDot.Add(right3, rightWeights, x3);
                    Vector256<sbyte> x4 = Broadcast(a3 + stride);
                    left4 = TDot.Add(left4, leftWeights, x4);
                    right4 = TDot.Add(right4, rightWeights, x4);
                    Vector256<sbyte> x5 = Broadcast(a3 + (2 * stride));
                    left5 = TDot.Add(left5, leftWeights, x5);
                    right5 = TDot.Add(right5, rightWeights, x5);
                    a0 += 4;
                    a3 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            AddGroup(left0, right0, leftScale, rightScale, scales[group], sums);
            AddGroup(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            AddGroup(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            AddGroup(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            AddGroup(left4, right4, leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
            AddGroup(left5, right5, leftScale, rightScale, scales[(5 * groups) + group], sums + 80);
        }
    }

    /// <summary>4 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = TDot.Start(corrections[group]), right0 = left0;
            Vector256<int> left1 = TDot.Start(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = TDot.Start(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = TDot.Start(corrections[(3 * groups) + group]), right3 = left3;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = TDot.Add(left0, leftWeights, x0);
                    right0 = TDot.Add(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = TDot.Add(left1, leftWeights, x1);
                    right1 = TDot.Add(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = TDot.Add(left2, leftWeights, x2);
                    right2 = TDot.Add(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = TDot.Add(left3, leftWeights, x3);
                    right3 = TDot.Add(right3, rightWeights, x3);
                    a0 += 4;
                    a3 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            AddGroup(left0, right0, leftScale, rightScale, scales[group], sums);
            AddGroup(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            AddGroup(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            AddGroup(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
        }
    }

    /// <summary>2 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = TDot.Start(corrections[group]), right0 = left0;
            Vector256<int> left1 = TDot.Start(corrections[groups + group]), right1 = left1;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = TDot.Add(left0, leftWeights, x0);
                    right0 = TDot.Add(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = TDot.Add(left1, leftWeights, x1);
                    right1 = TDot.Add(right1, rightWeights, x1);
                    a0 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            AddGroup(left0, right0, leftScale, rightScale, scales[group], sums);
            AddGroup(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
        }
    }

    /// <summary>1 row × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = TDot.Start(corrections[group]), right0 = left0;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = TDot.Add(left0, leftWeights, x0);
                    right0 = TDot.Add(right0, rightWeights, x0);
                    a0 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            AddGroup(left0, right0, leftScale, rightScale, scales[group], sums);
        }
    }
}
