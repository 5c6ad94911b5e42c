using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Fills one panel [depth][16] of a packed right-hand side; columns past the given width become zero.</summary>
internal static unsafe class Panel
{
    private const int Width = PackedMatrix.PanelWidth;

    /// <summary>Copies a slice [depth, columns] of rows that are <paramref name="stride"/> floats apart.</summary>
    public static void Pack(float* source, nint stride, int depth, int columns, float* panel)
    {
        for (int k = 0; k < depth; k++, source += stride, panel += Width)
        {
            if (columns == Width)
            {
                Vector512.Load(source).StoreAligned(panel);
                continue;
            }

            Vector512<float>.Zero.StoreAligned(panel);
            for (int j = 0; j < columns; j++)
            {
                panel[j] = source[j];
            }
        }
    }

    /// <summary>Transposes a slice [columns, depth] of rows that are <paramref name="stride"/> floats apart.</summary>
    public static void PackTransposed(float* source, nint stride, int depth, int columns, float* panel)
    {
        if (columns < Width)
        {
            new Span<float>(panel, depth * Width).Clear();
        }

        int column = 0;
        for (; column + 4 <= columns; column += 4)
        {
            float* rows = source + (column * stride);
            int k = 0;
            for (; k + 4 <= depth; k += 4)
            {
                Transpose4By4(rows + k, stride, panel + (k * Width) + column);
            }

            for (; k < depth; k++)
            {
                for (int j = 0; j < 4; j++)
                {
                    panel[(k * Width) + column + j] = rows[(j * stride) + k];
                }
            }
        }

        for (; column < columns; column++)
        {
            for (int k = 0; k < depth; k++)
            {
                panel[(k * Width) + column] = source[(column * stride) + k];
            }
        }
    }

    /// <summary>Packs all panels of a source [depth, width], one behind the other.</summary>
    public static void PackAll(float* source, nint stride, int depth, int width, float* panels)
    {
        for (int column = 0; column < width; column += Width, panels += (nint)depth * Width)
        {
            Pack(source + column, stride, depth, Math.Min(Width, width - column), panels);
        }
    }

    /// <summary>Packs all panels of the transpose of a source [width, depth], one behind the other.</summary>
    public static void PackAllTransposed(float* source, nint stride, int depth, int width, float* panels)
    {
        for (int column = 0; column < width; column += Width, panels += (nint)depth * Width)
        {
            PackTransposed(source + (column * stride), stride, depth, Math.Min(Width, width - column), panels);
        }
    }

    /// <summary>Copies a slice [depth, columns] without gaps, row after row.</summary>
    public static void CopyRows(float* source, nint stride, int depth, int columns, float* target)
    {
        for (int k = 0; k < depth; k++, source += stride, target += columns)
        {
            int j = 0;
            for (; j + Width <= columns; j += Width)
            {
                Vector512.Load(source + j).Store(target + j);
            }

            for (; j < columns; j++)
            {
                target[j] = source[j];
            }
        }
    }

    private static void Transpose4By4(float* source, nint stride, float* target)
    {
        Vector128<float> row0 = Vector128.Load(source);
        Vector128<float> row1 = Vector128.Load(source + stride);
        Vector128<float> row2 = Vector128.Load(source + (2 * stride));
        Vector128<float> row3 = Vector128.Load(source + (3 * stride));
        if (!Sse.IsSupported)
        {
            for (int k = 0; k < 4; k++)
            {
                Vector128.Create(row0.GetElement(k), row1.GetElement(k), row2.GetElement(k), row3.GetElement(k)).Store(target + (k * Width));
            }

            return;
        }

        Vector128<float> low01 = Sse.UnpackLow(row0, row1), high01 = Sse.UnpackHigh(row0, row1);
        Vector128<float> low23 = Sse.UnpackLow(row2, row3), high23 = Sse.UnpackHigh(row2, row3);
        Sse.MoveLowToHigh(low01, low23).Store(target);
        Sse.MoveHighToLow(low23, low01).Store(target + Width);
        Sse.MoveLowToHigh(high01, high23).Store(target + (2 * Width));
        Sse.MoveHighToLow(high23, high01).Store(target + (3 * Width));
    }
}
