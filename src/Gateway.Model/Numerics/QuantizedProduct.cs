using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gateway.Model.Numerics;

/// <summary>Products of quantized activations and quantized weights in register tiles of 256-bit vectors.</summary>
/// <remarks>
/// Within a group of depths the dot product is an exact integer; groups are added in f32 in the order of the depth, one
/// fused multiply-add per group: value(dot)·(row scale·weight scale) + sum. So a row's bits depend neither on the tile
/// that computes it nor on the instruction set.
/// </remarks>
internal static unsafe class QuantizedProduct<TTiles>
    where TTiles : struct, IQuantizedTiles
{
    /// <summary>Rows of the largest tile of any kind.</summary>
    public const int MostRows = 8;

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
        float* sums = stackalloc float[MostRows * Panel];
        int tiles = 0;
        for (int row = 0; row < rows; row += TTiles.TileRows(rows - row))
        {
            tiles++;
        }

        // Every tile fetches its share of what lies ahead, so that memory is busy while products are computed.
        nint aheadStep = TTiles.FetchedBytes / tiles;
        for (int column = 0; column < width; column += Panel, panels += panelBytes)
        {
            int columns = Math.Min(Panel, width - column);
            byte* ahead = stream.Follow(panels + (rows < FarRows ? Near : tiles <= FarTiles ? Far : panelBytes));
            int step;
            for (int row = 0; row < rows; row += step, ahead += panelBytes / tiles)
            {
                step = TTiles.TileRows(rows - row);
                float* target = c + (row * ldc) + column;
                if (columns < Panel)
                {
                    new Span<float>(sums, step * Panel).Clear();
                    RegisterTile.Copy(target, ldc, sums, Panel, accumulate ? step : 0, columns);
                    TTiles.Tile(step, x, firstRow + row, panels, ahead, aheadStep, sums);
                    RegisterTile.Copy(sums, Panel, target, ldc, step, columns);
                    continue;
                }

                Start(sums, target, ldc, step, accumulate);
                TTiles.Tile(step, x, firstRow + row, panels, ahead, aheadStep, sums);
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
}
